"""Zero has phase zero whatever the signs of its parts, in every place that takes a phase."""

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phasebench.data.encodings import audio_augmentation, cepstrum
from phasebench.data.sources.radar import phoenix
from phasebench.evaluation import phase_normalisation
from phasebench.nn.complex.angle import phase
from phasebench.nn.complex.manifold import manifold_distance, to_polar
from phasebench.nn.complex.phase_threshold import equivariant_phase_threshold, phase_threshold

SOURCE = Path(phase_normalisation.__file__).parents[1]
ZEROS = list(itertools.product((0.0, -0.0), repeat=2))
AXES = [(-1.0, 0.0), (-1.0, -0.0), (1.0, 0.0), (1.0, -0.0), (0.0, 1.0), (-0.0, 1.0), (0.0, -1.0), (-0.0, -1.0)]


def signed(values: Tensor) -> Tensor:
    """The same numbers, each zero with the other sign."""
    return torch.where(values == 0.0, torch.copysign(torch.zeros(()), -torch.copysign(torch.ones(()), values)), values)


def maps() -> Tensor:
    """Planes ``(2, 2, 4, 1, 3)`` of zeros and numbers on and off both axes, float64."""
    parts = torch.tensor([*ZEROS, *AXES], dtype=torch.float64)
    rest = torch.randn(24 - len(parts), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.cat((parts, rest)).view(2, 4, 1, 3, 2).permute(0, 4, 1, 2, 3).contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_phase_on_the_axes(dtype: torch.dtype) -> None:
    re, im = torch.tensor([*ZEROS, *AXES], dtype=dtype).unbind(1)
    found = phase(re, im)
    half, quarter = math.pi, math.pi / 2
    expected = torch.tensor([*(4 * [0.0]), half, half, 0, 0, quarter, quarter, -quarter, -quarter], dtype=dtype)
    assert found.dtype == dtype
    assert torch.equal(found, expected)
    assert torch.equal(torch.compile(phase, fullgraph=True)(re, im), expected)


def test_elsewhere_it_is_that_of_atan2() -> None:
    re, im = torch.randn(2, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(phase(re, im), torch.atan2(im, re))


def test_the_test_turns_the_signs_of_zeros_alone() -> None:
    changed = signed(maps())
    assert torch.equal(changed, maps())
    assert (torch.signbit(changed) != torch.signbit(maps())).sum() == (maps() == 0.0).sum() > 0


def result_and_gradients(function: Callable[[Tensor], Tensor], planes: Tensor) -> list[Tensor]:
    leaf = planes.clone().requires_grad_()
    result = function(leaf)
    weights = torch.linspace(1.0, 2.0, result.numel(), dtype=result.dtype).view_as(result)
    (gradient,) = torch.autograd.grad((result * weights).sum(), leaf)
    return [result.detach(), gradient]


W = torch.linspace(0.5, 1.5, 4, dtype=torch.float64)
LAYERS: dict[str, Callable[[Tensor], Tensor]] = {
    "phase_threshold": phase_threshold,
    "phase_threshold_with_factor": lambda planes: phase_threshold(planes, W),
    "phase_threshold_with_threshold": lambda planes: phase_threshold(planes, None, 0.7),
    "equivariant_phase_threshold": lambda planes: equivariant_phase_threshold(planes, W),
    "manifold_distance": lambda planes: manifold_distance(to_polar(planes), to_polar(planes.flip(4))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_do_not_see_the_sign_of_zero(name: str) -> None:
    for found, expected in zip(
        result_and_gradients(LAYERS[name], signed(maps())), result_and_gradients(LAYERS[name], maps()), strict=True
    ):
        assert torch.equal(found, expected)


def test_both_paths_of_the_phase_threshold_agree() -> None:
    # A factor of one asks for angles where the other path needs none.
    ones = torch.ones(4, dtype=torch.float64)
    for planes in (maps(), signed(maps())):
        plain, with_factor = (
            result_and_gradients(function, planes) for function in (phase_threshold, lambda z: phase_threshold(z, ones))
        )
        for found, expected in zip(with_factor, plain, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("average", phase_normalisation.NORMALISATIONS.values())
def test_average_phases_do_not_see_the_sign_of_zero(average: Callable[[Tensor], Tensor]) -> None:
    for planes in (maps(), torch.zeros(1, 2, 1, 2, 2)):
        assert torch.equal(average(signed(planes)), average(planes))


@pytest.mark.parametrize("coefficients", [cepstrum.phase_coefficients, lambda z: cepstrum.complex_coefficients(z)[1]])
def test_cepstra_do_not_see_the_sign_of_zero(coefficients: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(2)
    spectrum = torch.randn(2, 3, 1025, 2, generator=generator)
    spectrum[0] = 0.0
    spectrum[1, :, [0, -1], 1] = 0.0
    found, expected = (coefficients(torch.view_as_complex(parts)) for parts in (signed(spectrum), spectrum))
    assert torch.equal(found, expected)
    assert not coefficients(torch.zeros(1, 1, 1025, dtype=torch.complex64).neg()).any()


def test_changed_clips_do_not_see_the_sign_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = torch.randn(1, 9000, generator=torch.Generator().manual_seed(3))
    clips[:, :5000] = 0.0
    arguments = (clips, torch.tensor([1.5]), torch.tensor([0.9]))
    expected, _ = audio_augmentation.change(*arguments)
    transform = torch.stft

    def other_processor(*args: object, **options: object) -> Tensor:
        return torch.view_as_complex(signed(torch.view_as_real(transform(*args, **options))))  # type: ignore[arg-type]

    monkeypatch.setattr(torch, "stft", other_processor)
    found, _ = audio_augmentation.change(*arguments)
    assert torch.equal(found, expected)


def test_chips_are_written_with_phase_zero_for_zero(tmp_path: Path) -> None:
    parts = torch.tensor([[*ZEROS, *AXES]])
    contents = []
    for chip in (parts, signed(parts)):
        samples = torch.view_as_complex(chip).numpy()
        phoenix.write_chip(
            tmp_path / "chip", samples, target_class="2s1", serial="b01", depression_angle=15, azimuth=1.0
        )
        contents.append((tmp_path / "chip").read_bytes())
    assert contents[0] == contents[1]


# Chips are written with numpy, as shown above; vehicles have corners, no samples.
ALLOWED = {"nn/complex/angle.py", "data/sources/radar/phoenix.py", "data/sources/radar/vehicles.py"}


def test_phases_are_taken_in_one_place() -> None:
    taken = re.compile(r"\b(torch\.atan2|arctan2|np\.angle|torch\.angle|cmath\.phase)\(|\.angle\(")
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if taken.search(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED
