"""Encodings of baselines against native complex arithmetic on the encodings that they change."""

import math

import pytest
import torch
from torch import Tensor

from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import ENCODINGS, load_encoding
from phasebench.nn.complex.layout import as_complex

CHANGED = sorted(name for name, target in ENCODINGS.items() if ".baselines:" in target)
BASES = {"complex": "complex", "magnitude": "complex", "log": "complex", "lab": "lab", "sliding": "sliding"}


def samples_of(base: str) -> Tensor:
    random = torch.Generator().manual_seed(0)
    if base == "complex":
        return torch.randn(3, 8, 12, dtype=torch.complex64, generator=random)
    return torch.randint(0, 256, (3, 8, 12, 3), dtype=torch.uint8, generator=random)


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_encoding_is_its_formula(name: str) -> None:
    base, encoding = load_encoding(BASES[name.split("_")[0]]), load_encoding(name)
    samples = samples_of(BASES[name.split("_")[0]])
    statistics = base.statistics(samples)
    torch.testing.assert_close(encoding.statistics(samples), statistics)
    z = as_complex(base(samples, statistics)).to(torch.complex128)
    if name.endswith("log_magnitude"):
        expected = 1 + torch.log(z.abs() + 1e-3) / math.log(1e3) + 0j
    elif name.endswith("magnitude"):
        expected = z.abs() + 0j
    elif name.endswith("phase_normalised"):
        expected = z * torch.exp(-1j * z.sum(dim=(1, 2, 3)).angle())[:, None, None, None]
    else:
        expected = z.clone()
        expected[:, :, 2:6, 3:9] = 0
    planes = encoding(samples, statistics)
    torch.testing.assert_close(as_complex(planes).to(torch.complex128), expected, rtol=1e-4, atol=1e-5)
    used = tuple(index for index, plane in enumerate(planes.flatten(1, 2).unbind(1)) if plane.any())
    assert encoding.nonzero_planes == used
    assert encoding.n_channels == z.shape[1]


def test_a_normalised_phase_does_not_know_how_the_sample_was_turned() -> None:
    encoding, samples = load_encoding("complex_phase_normalised"), samples_of("complex")
    one = torch.ones(())
    torch.testing.assert_close(encoding(samples * 1j, one), encoding(samples, one), rtol=1e-4, atol=1e-5)


def test_random_phases_of_training_turn_each_sample_by_one_angle() -> None:
    samples, indices = samples_of("complex"), torch.arange(3)
    encode, one = load_encoding("complex"), torch.ones(())
    data = DeviceData(samples, indices, indices, indices, indices, encode, encode, one, ("a", "b", "c"))
    plain = as_complex(data.batch(indices))
    turned = [
        as_complex(data.training_batch(indices, torch.Generator().manual_seed(seed), augmentation="random_phase"))
        for seed in (0, 0, 1)
    ]
    angles = (turned[0] / plain).angle().flatten(1)
    torch.testing.assert_close(turned[0].abs(), plain.abs())
    torch.testing.assert_close(angles, angles[:, :1].expand_as(angles), rtol=0, atol=1e-4)
    assert angles[:, 0].std() > 0.1
    assert torch.equal(turned[0], turned[1])
    assert not torch.equal(turned[0], turned[2])
