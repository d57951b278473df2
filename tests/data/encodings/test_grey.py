"""Grey encodings against numpy, and the noise that training adds."""

import numpy as np
import pytest
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding

ONE = torch.tensor(1.0)
GREY = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 6, 7, 1), dtype=np.uint8))
PIXELS = GREY[..., 0].numpy() / 255.0 - 0.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grey", PIXELS),
        ("grey_fixed_phase", PIXELS * np.exp(0.5j)),
        ("grey_fixed_imaginary", PIXELS + 0.1j),
        ("grey_noise", PIXELS),
        ("grey_unit", PIXELS + 0.5),
        ("grey_proportional_phase", (PIXELS + 0.5) * np.exp(1j * np.pi * (PIXELS + 0.5))),
    ],
)
def test_against_complex_arithmetic(name: str, expected: np.ndarray) -> None:
    encoding = load_encoding(name)
    assert float(encoding.statistics(GREY)) == 1.0
    planes = encoding(GREY, ONE)
    assert planes.shape == (5, 2, 1, 6, 7)
    np.testing.assert_allclose(planes[:, 0, 0], expected.real, atol=2e-7)
    np.testing.assert_allclose(planes[:, 1, 0], expected.imag, atol=2e-7)


def test_black_grey_and_white_of_the_proportional_phase() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1)
    re, im = load_encoding("grey_proportional_phase")(pixels, ONE)[0, :, 0, 0]
    np.testing.assert_allclose(re, [0.0, -1.0], atol=1e-7)
    np.testing.assert_allclose(im, [0.0, 0.0], atol=1e-7)


def test_only_the_pixel_of_the_proportional_phase_is_rounded_to_single_precision() -> None:
    encoding, indices = load_encoding("grey_proportional_phase"), torch.arange(5)
    pixels = (GREY[..., 0].numpy() / np.float32(255)).astype(np.float64)
    planes = encoding(GREY, ONE)[:, :, 0].numpy()
    np.testing.assert_allclose(planes[:, 0] + 1j * planes[:, 1], pixels * np.exp(1j * np.pi * pixels), atol=1e-15)
    subsets, classes = (indices, indices[:0], indices), tuple("abcde")
    single = DeviceData(GREY, indices, *subsets, encoding, encoding, ONE, classes)
    double = DeviceData(GREY, indices, *subsets, encoding, encoding, ONE, classes, torch.float64)
    assert single.batch(indices).dtype == torch.float32
    assert torch.equal(double.batch(indices), encoding(GREY, ONE))


def test_colours_are_refused() -> None:
    with pytest.raises(PhasebenchError, match="images with one channel; use 'rgb'"):
        load_encoding("grey")(GREY.expand(-1, -1, -1, 3), ONE)


def test_noise_is_fresh_in_training_and_absent_in_the_test() -> None:
    indices = torch.arange(5)
    encoding = load_encoding("grey_noise")
    data = DeviceData(GREY, indices, indices, indices[:0], indices, encoding, encoding, ONE, tuple("abcde"))
    assert torch.equal(data.batch(indices), encoding(GREY, ONE))
    first, again, other = (data.training_batch(indices, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    noise = first - data.batch(indices)
    assert noise.std(dim=(0, 2, 3, 4)) == pytest.approx([1e-5, 1e-5], rel=0.1)
