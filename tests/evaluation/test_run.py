"""Evaluation of a trained run, against the predictions that training stored."""

import json
import math
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import load_device_data
from phasebench.data.store import write_store
from phasebench.evaluation import embedding
from phasebench.evaluation.rotation import N_DRAWS, logit_change, rotation_angles
from phasebench.evaluation.run import evaluate_run
from phasebench.evaluation.trained import TrainedRun, load_trained_run
from phasebench.models.cifarnet import Real
from phasebench.models.inference import load_weights
from phasebench.models.registry import build_model
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.specs.run_folder import read_record, write_record
from phasebench.training.minibatch import train_run

RECIPE = Recipe(optimizer="adamw", learning_rate=3e-3, batch_size=32, steps=30, validate_every=10)


def make_spec(model: str) -> RunSpec:
    return RunSpec(
        scale="demo", suite="s", experiment="e", dataset="colours", encoding="lab", model=model, recipe=RECIPE, seed=0
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of uniformly coloured noise, and two runs trained on them."""
    root = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 160)
    colours = np.array([[150, 60, 60], [60, 60, 150]])[labels][:, None, None]
    samples = np.clip(colours + rng.integers(-40, 40, (160, 32, 32, 3)), 0, 255).astype(np.uint8)
    write_store(
        root / "colours.h5",
        root / "colours.json",
        samples=samples,
        labels=labels.astype(np.int64),
        splits={"train": np.arange(100), "test": np.arange(100, 160)},
        classes=["red", "blue"],
        source={"source": "generated"},
    )
    for model in ("cifarnet_real", "cifarnet_type_e"):
        identity = RunIdentity(run=make_spec(model), code={}, environment={})
        train_run(identity, root / "colours.h5", root / model, root / "c.pt", device="cpu")
    return root


def evaluate(folder: Path, model: str, name: str) -> pd.DataFrame:
    evaluate_run({name: {}}, folder / "colours.h5", folder / model, device="cpu")
    return pd.read_parquet(folder / model / "evaluation" / f"{name}.parquet")


def test_accuracy_without_rotation_is_that_of_the_stored_predictions(folder: Path) -> None:
    table = evaluate(folder, "cifarnet_real", "rotation").query("metric == 'rotation_accuracy'").set_index("condition")
    predictions = pd.read_parquet(folder / "cifarnet_real" / "predictions.parquet")
    assert table.loc[0.0, "value"] == (predictions["label"] == predictions["prediction"]).mean()


def test_rotation_leaves_the_equivariant_net_alone_and_hurts_the_real_one(folder: Path) -> None:
    equivariant = evaluate(folder, "cifarnet_type_e", "rotation")
    real = evaluate(folder, "cifarnet_real", "rotation")
    changes = {
        name: table[table["metric"] == "rotation_logit_change"].groupby("condition")["value"].mean()
        for name, table in (("equivariant", equivariant), ("real", real))
    }
    equivariant, real = (table[table["metric"] == "rotation_accuracy"] for table in (equivariant, real))
    for table in (equivariant, real):
        counts = table.groupby("condition").size()
        assert counts.to_dict() == {0.0: 1} | {float(limit): N_DRAWS for limit in range(15, 181, 15)}
    assert equivariant["value"].nunique() == 1
    means = real.groupby("condition")["value"].mean()
    assert means[0.0] == 1.0
    assert means[180.0] < 0.8
    # The change of the logits tells them apart by orders of magnitude, and grows with the angle.
    assert changes["equivariant"].max() < 1e-3
    assert changes["real"].min() > 0.01
    assert changes["real"][180.0] > changes["real"][15.0]


def test_changes_of_logits_are_relative_to_their_spread_over_images() -> None:
    plain = torch.tensor([[0.0, 10.0], [2.0, 6.0]])
    # The spread is the root of (1 + 1 + 4 + 4) / 4; a change of all logits by 1 has the root mean square 1.
    squares = torch.tensor([4.0, 0.0], dtype=torch.float64)
    assert logit_change(plain, squares) == pytest.approx([1 / np.sqrt(2.5), 0.0])
    assert logit_change(10 * plain, 100 * squares) == pytest.approx([1 / np.sqrt(2.5), 0.0])
    assert np.isnan(logit_change(torch.ones(3, 2), squares)).all()


def test_rotation_multiplies_every_sample_by_its_own_unit_number(folder: Path) -> None:
    """Independent oracle: native complex multiplication in numpy."""
    spec = make_spec("cifarnet_real")
    data = load_device_data(spec, folder / "colours.h5", torch.device("cpu"))
    planes = data.batch(data.test).numpy()
    angles = rotation_angles(len(data.test), 90.0, 2).numpy()
    turned = (planes[:, 0] + 1j * planes[:, 1]) * np.exp(1j * angles)[:, None, None, None]
    model = build_model("cifarnet_real", n_classes=2, in_channels=2, planes=data.encoding.nonzero_planes)
    load_weights(model, folder / "cifarnet_real" / "weights.safetensors")
    logits = model(torch.from_numpy(turned.astype(np.complex64)))
    expected = (logits.argmax(1) == data.labels[data.test]).double().mean().item()
    table = evaluate(folder, "cifarnet_real", "rotation").query("metric == 'rotation_accuracy'")
    table = table.set_index(["condition", "draw"])
    assert table.loc[(90.0, 2), "value"] == pytest.approx(expected, abs=1e-9)


def test_angles_fill_their_range_and_differ_by_draw() -> None:
    angles = rotation_angles(20_000, 60.0, 0)
    limit = math.radians(60.0)
    assert angles.abs().max() <= limit
    assert angles.mean().abs() < 0.02
    # The standard deviation of U(-a, a) is a / sqrt(3).
    assert angles.std().item() == pytest.approx(limit / math.sqrt(3.0), rel=0.02)
    assert not torch.equal(angles, rotation_angles(20_000, 60.0, 1))


def test_a_damaged_run_is_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(PhasebenchError, match=r"run\.json: there is no such file"):
        evaluate_run({"rotation": {}}, folder / "colours.h5", broken, device="cpu")
    record = json.loads((folder / "cifarnet_real" / "run.json").read_text())
    (broken / "run.json").write_text(json.dumps(record))
    weights = (folder / "cifarnet_real" / "weights.safetensors").read_bytes()
    (broken / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(PhasebenchError, match=r"weights\.safetensors: has 66,980 bytes"):
        evaluate_run({"rotation": {}}, folder / "colours.h5", broken, device="cpu")
    (broken / "weights.safetensors").write_bytes((folder / "cifarnet_type_e" / "weights.safetensors").read_bytes())
    write_record(broken, record)
    with pytest.raises(PhasebenchError, match=r"weights\.safetensors: holds the weights of another model"):
        evaluate_run({"rotation": {}}, folder / "colours.h5", broken, device="cpu")
    assert not (broken / "evaluation").exists()


def test_an_unknown_evaluation_is_refused_before_anything_is_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match="evaluation 'rotaton' is not known"):
        evaluate_run({"rotation": {}, "rotaton": {}}, folder / "colours.h5", tmp_path)


def test_evaluations_together_give_what_each_gives_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last digit, in any order: none leaves traces in the network or in the random numbers of another."""
    # t-SNE of a few points; by the angles of the study it takes most of the time.
    monkeypatch.setattr(embedding, "ANGLES_DEGREES", range(0, 360, 60))
    names = ["rotation", "colour_jitter", "confidence", "embedding", "mixed_batches", "weight_projections"]
    run, few = folder / "cifarnet_type_e", dict.fromkeys(names, 20)

    def measured(*names: str) -> dict[str, pd.DataFrame]:
        evaluate_run({name: {} for name in names}, folder / "colours.h5", run, samples=few, device="cpu")
        return {name: pd.read_parquet(run / "evaluation" / f"{name}.parquet") for name in names}

    alone = {name: measured(name)[name] for name in names}
    for order in (names, names[::-1]):
        for name, together in measured(*order).items():
            pd.testing.assert_frame_equal(together, alone[name], check_exact=True)


def test_an_evaluation_that_fails_does_not_stop_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = folder / "cifarnet_real"
    before = evaluate(folder, "cifarnet_real", "mixed_batches")
    shutil.rmtree(run / "evaluation")

    def fail(run: TrainedRun) -> pd.DataFrame:
        raise PhasebenchError("rotation: does not work")

    monkeypatch.setattr("phasebench.evaluation.rotation.evaluate_rotation", fail)
    with pytest.raises(PhasebenchError, match="rotation: does not work"):
        evaluate_run({"rotation": {}, "mixed_batches": {}}, folder / "colours.h5", run, device="cpu")
    assert [path.name for path in (run / "evaluation").iterdir()] == ["mixed_batches.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(run / "evaluation/mixed_batches.parquet"), before)


def test_an_evaluation_of_fewer_samples_is_that_of_the_first_ones(folder: Path) -> None:
    run = folder / "cifarnet_real"
    evaluate_run({"rotation": {}}, folder / "colours.h5", run, samples={"rotation": 10}, device="cpu")
    table = pd.read_parquet(run / "evaluation/rotation.parquet")
    table = table[table["metric"] == "rotation_accuracy"].set_index("condition")
    predictions = pd.read_parquet(run / "predictions.parquet").head(10)
    assert table.loc[0.0, "value"] == (predictions["label"] == predictions["prediction"]).mean()
    # Tenths, and not sixtieths.
    np.testing.assert_allclose(10 * table["value"], np.rint(10 * table["value"]))


def test_clean_logits_are_computed_once_and_rotations_in_large_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = load_trained_run(folder / "cifarnet_real", folder / "colours.h5", torch.device("cpu"))
    images = clean.data.batch(clean.data.test)
    seen: list[Tensor] = []
    forward = Real.forward

    def watched(network: Real, planes: Tensor) -> Tensor:
        seen.append(planes)
        return forward(network, planes)

    monkeypatch.setattr(Real, "forward", watched)
    names = ("rotation", "colour_jitter", "mixed_batches")
    evaluate_run({name: {} for name in names}, folder / "colours.h5", folder / "cifarnet_real", device="cpu")
    assert sum(torch.equal(planes, images) for planes in seen) == 1
    # Sixty draws of angles for sixty images, in batches of no more than 512.
    large = [len(planes) for planes in seen if len(planes) > len(images)]
    assert large == [480] * 7 + [240]


def test_changed_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "cifarnet_real", tmp_path / "run")
    weights = tmp_path / "run/weights.safetensors"
    whole = weights.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 20):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        weights.write_bytes(changed)
        with pytest.raises(PhasebenchError, match=r"weights\.safetensors: has another checksum than"):
            load_trained_run(tmp_path / "run", folder / "colours.h5", torch.device("cpu"))
    weights.write_bytes(whole[:-1])
    with pytest.raises(PhasebenchError, match=r"weights\.safetensors: has .* bytes instead of .*; delete"):
        load_trained_run(tmp_path / "run", folder / "colours.h5", torch.device("cpu"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, tmp_path: Path, value: float) -> None:
    tensors = load_file(folder / "cifarnet_real/weights.safetensors")
    name = next(iter(tensors))
    tensors[name].view(-1)[0] = value
    run = tmp_path / "run"
    run.mkdir()
    save_file(tensors, run / "weights.safetensors")
    write_record(run, read_record(folder / "cifarnet_real"))
    with pytest.raises(PhasebenchError, match=rf"weights\.safetensors: {re.escape(name)}: some values are not finite"):
        load_trained_run(run, folder / "colours.h5", torch.device("cpu"))


@pytest.mark.parametrize("statistics", ["text", [[1.0], [1.0, 2.0]], [1e300, 1.0], None])
def test_statistics_that_are_none_are_refused(folder: Path, tmp_path: Path, statistics: object) -> None:
    shutil.copytree(folder / "cifarnet_real", tmp_path / "run")
    write_record(tmp_path / "run", {**read_record(tmp_path / "run"), "statistics": statistics})
    with pytest.raises(PhasebenchError, match=r"run\.json: statistics: .*; delete the run's folder"):
        load_trained_run(tmp_path / "run", folder / "colours.h5", torch.device("cpu"))
