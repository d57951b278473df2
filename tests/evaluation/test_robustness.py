"""Disturbed samples, calibration and reports by class, on numbers that are known by hand."""

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding
from phasebench.evaluation.calibration import calibration_error, evaluate_calibration
from phasebench.evaluation.class_report import evaluate_class_report
from phasebench.evaluation.robustness import CHANGES, evaluate_robustness
from phasebench.evaluation.trained import TrainedRun
from phasebench.nn.complex.layout import as_complex
from phasebench.specs.run import Recipe, RunSpec


class Corner(nn.Module):
    """Class by the sign of the real part in the corner; the modulus there is the certainty."""

    def forward(self, planes: Tensor) -> Tensor:
        value = planes[:, 0, 0, 0, 0]
        return torch.stack((value, -value), dim=1)


@pytest.fixture
def run() -> TrainedRun:
    """Forty chips of two classes, of which the network gets all right."""
    random = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(40, 4, 16, dtype=torch.complex64, generator=random)
    labels = torch.arange(40) % 2
    samples[:, 0, 0] = 1.0 - 2.0 * labels
    encode, indices = load_encoding("complex"), torch.arange(40)
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=2, steps=1, validate_every=1)
    spec = RunSpec(
        **{"scale": "demo", "suite": "s", "experiment": "e", "dataset": "d", "encoding": "complex", "model": "m"},
        recipe=recipe,
        seed=0,
    )
    one = torch.ones(())
    data = DeviceData(samples, labels, indices, indices[:0], indices, encode, encode, one, ("bmp2", "t72"))
    return TrainedRun(spec, Corner(), data)


def test_what_a_disturbance_costs_follows_from_the_network(run: TrainedRun) -> None:
    table = evaluate_robustness(run).set_index(["metric", "condition"])["value"]
    assert {metric.removesuffix("_accuracy") for metric, _ in table.index} - {"magnitude_logit_change"} == set(CHANGES)
    for factor in (0.25, 4.0):
        assert table["magnitude_accuracy", factor] == 1.0
        # Both logits are multiplied by the factor.
        assert table["magnitude_logit_change", factor] == pytest.approx(abs(factor - 1.0), abs=1e-6)
    # The first column is turned by half of the cycles: by 90 degrees for a half, by 180 for one.
    assert table["linear_phase_accuracy", 0.25] == 1.0
    assert table["linear_phase_accuracy", 1.0] == 0.0
    assert table["noise_accuracy", 20] == 1.0
    assert table["phase_noise_accuracy", 10] == 1.0
    assert table["shift_accuracy", 4] < 1.0


def test_disturbances_are_as_strong_as_they_say() -> None:
    random = torch.Generator().manual_seed(0)
    planes = torch.randn(8, 2, 2, 32, 32, dtype=torch.float64, generator=random)
    for name, condition in (("noise", 5.0), ("phase_noise", 30.0), ("quadratic_phase", 90.0), ("shift", 3.0)):
        change, conditions = CHANGES[name]
        assert len(conditions) > 2
        before, after = as_complex(planes), as_complex(change(planes, condition, random))
        if name == "noise":
            ratio = before.abs().square().mean() / (after - before).abs().square().mean()
            assert 10 * math.log10(ratio) == pytest.approx(condition, abs=0.1)
        elif name == "phase_noise":
            torch.testing.assert_close(after.abs(), before.abs())
            assert (after / before).angle().std().item() == pytest.approx(math.radians(30.0), rel=0.03)
        elif name == "quadratic_phase":
            one, other = (np.fft.fftshift(np.fft.fft(part.numpy()), axes=-1) for part in (before, after))
            expected = np.radians(condition) * np.linspace(-1, 1, 32) ** 2
            np.testing.assert_allclose(np.angle(other / one), np.broadcast_to(expected, one.shape), atol=1e-9)
        else:
            np.testing.assert_array_equal(after.numpy(), np.roll(before.numpy(), (3, 3), (-2, -1)))


def test_calibration_error_of_known_confidences() -> None:
    # Eight answers at 80 %, of which half are right; two at 55 %, both right.
    logits = torch.tensor([[math.log(0.8), math.log(0.2)]] * 8 + [[math.log(0.55), math.log(0.45)]] * 2)
    labels = torch.tensor([0, 1] * 4 + [0, 0])
    assert calibration_error(logits, labels) == pytest.approx((8 * 0.3 + 2 * 0.45) / 10, abs=1e-6)


def test_calibration_is_measured_on_plain_and_turned_samples(run: TrainedRun) -> None:
    table = evaluate_calibration(run).set_index(["metric", "condition"])["value"]
    plain = math.log(1 + math.exp(-2.0))
    assert table["negative_log_likelihood", 0.0] == pytest.approx(plain, rel=1e-6)
    assert table["negative_log_likelihood", 180.0] > plain
    assert table["calibration_error", 0.0] == pytest.approx(1 - 1 / (1 + math.exp(-2.0)), rel=1e-6)


def test_the_report_by_class_counts_classes_and_serial_numbers_alike(run: TrainedRun, tmp_path: Path) -> None:
    samples = run.data.samples.clone()
    # A third of the twelve chips of one serial number of the T72 is taken for a BMP2.
    serials = np.array(["c21"] * 28 + ["s7"] * 12)
    wrong = torch.arange(29, 40, 2)[:4]
    samples[wrong, 0, 0] = 1.0
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["serial"] = serials.astype(h5py.string_dtype())
    unequal = torch.cat((torch.arange(0, 40, 2)[:4], torch.arange(1, 40, 2)))
    told = replace(run, data=replace(run.data, samples=samples, test=unequal), data_path=tmp_path / "d.h5")
    report = evaluate_class_report(told)
    whole = report[report["item"].isna()].set_index("metric")["value"]
    assert whole.to_dict() == {"balanced_accuracy": pytest.approx((1 + 16 / 20) / 2)}
    items = report.set_index(["metric", "item"])["value"]
    assert (items["recall", "bmp2"], items["recall", "t72"]) == (1.0, 0.8)
    assert (items["confusion", "t72 as bmp2"], items["confusion", "bmp2 as t72"]) == (pytest.approx(0.2), 0.0)
    assert items["serial_accuracy", "t72 s7"] == pytest.approx(2 / 6)
    assert items["serial_accuracy", "t72 c21"] == items["serial_accuracy", "bmp2 c21"] == 1.0
    assert not len(evaluate_class_report(run).query("metric == 'serial_accuracy'"))
