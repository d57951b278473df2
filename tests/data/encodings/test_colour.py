"""Encodings against scikit-image and plain numpy."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import ENCODINGS, load_encoding

# Those of audio have tests of their own.
IMAGE_ENCODINGS = [name for name in ENCODINGS if not name.startswith("mfcc")]
COLOUR_ENCODINGS = ("rgb", "rgb_normalised", "lab", "sliding")


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _images(n_images: int = 5, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n_images, 6, 7, channels), dtype=np.uint8))


def _chips() -> torch.Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy((random.normal(size=(4, 6, 7)) + 1j * random.normal(size=(4, 6, 7))).astype(np.complex64))


def _samples(name: str) -> torch.Tensor:
    if name in ("magnitude", "log_magnitude") or name.startswith("complex"):
        return _chips()
    return _images(channels=1 if name.startswith("grey") else 3)


def _lab(samples: torch.Tensor) -> np.ndarray:
    """L*, a*, b* of the Lab encoding, undone, as (N, H, W, 3)."""
    encoded = load_encoding("lab")(samples, torch.tensor(1.0)).numpy() * 255.0
    return np.stack((encoded[:, 0, 0], encoded[:, 0, 1], encoded[:, 1, 1]), axis=-1)


def _colour_cube() -> torch.Tensor:
    """18 levels per channel, the ends and the joint of sRGB's transfer curve (10, 11) among them: (1, 5832, 1, 3)."""
    levels = np.array([0, 1, 2, 5, 9, 10, 11, 12, 25, 50, 75, 100, 128, 150, 180, 210, 254, 255], dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return torch.from_numpy(cube.reshape(1, -1, 1, 3))


def test_lab_agrees_with_scikit_image_over_the_colour_cube() -> None:
    cube = _colour_cube()
    np.testing.assert_allclose(_lab(cube), rgb2lab(cube.numpy()), rtol=0.0, atol=1e-3)


def test_lab_agrees_with_scikit_image_on_every_dark_colour() -> None:
    levels = np.arange(24, dtype=np.uint8)
    dark = torch.from_numpy(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 1, 3))
    np.testing.assert_allclose(_lab(dark), rgb2lab(dark.numpy()), rtol=0.0, atol=1e-3)


@pytest.mark.usefixtures("double_precision")
def test_lab_in_double_precision() -> None:
    cube = _colour_cube()
    np.testing.assert_allclose(_lab(cube), rgb2lab(cube.numpy()), rtol=0.0, atol=1e-10)


def test_lab_of_known_colours() -> None:
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [0, 0, 255], [255, 0, 0]], dtype=torch.uint8)
    expected = [[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [32.30, 79.19, -107.86], [53.24, 80.09, 67.20]]
    np.testing.assert_allclose(_lab(colours.reshape(1, 4, 1, 3))[0, :, 0], expected, atol=1e-2)


def test_lab_largest_is_the_larger_of_lightness_and_chroma() -> None:
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8).expand(1, 2, 2, 3)
    white = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    lab = load_encoding("lab")
    assert float(lab.statistics(blue)) == pytest.approx(133.80 / 255, abs=1e-4)
    assert float(lab.statistics(white)) == pytest.approx(100.0 / 255, abs=1e-5)
    assert float(lab.statistics(torch.cat((white, blue)))) == pytest.approx(133.80 / 255, abs=1e-4)


def test_rgb_is_the_image_over_255_without_imaginary_part() -> None:
    images = _images()
    encoded = load_encoding("rgb")(images, torch.tensor(0.8)).numpy()
    np.testing.assert_allclose(encoded[:, 0], images.numpy().transpose(0, 3, 1, 2) / 255 / 0.8, rtol=1e-6)
    assert not encoded[:, 1].any()


def test_normalised_colours_have_mean_zero_and_variance_one_over_the_training_subset() -> None:
    encoding, images = load_encoding("rgb_normalised"), _images(3000)
    images[..., 1] //= 3
    measured = encoding.statistics(images)
    pixels = images.numpy().reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(measured.numpy(), [pixels.mean(axis=0), pixels.std(axis=0)], rtol=1e-6)
    encoded = encoding(images, measured).numpy()
    expected = (images.numpy() - pixels.mean(axis=0)) / pixels.std(axis=0)
    np.testing.assert_allclose(encoded[:, 0], expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-5)
    assert not encoded[:, 1].any()


def test_a_colour_that_never_changes_is_zero() -> None:
    encoding, images = load_encoding("rgb_normalised"), _images()
    images[..., 2] = 7
    encoded = encoding(images, encoding.statistics(images))
    assert torch.isfinite(encoded).all()
    assert not encoded[:, 0, 2].any()


def test_sliding_pairs_neighbouring_colours() -> None:
    images = _images()
    encoded = load_encoding("sliding")(images, torch.tensor(0.9)).numpy()
    red, green, blue = np.moveaxis(images.numpy() / 255 / 0.9, -1, 0)
    channels = np.stack((red + 1j * green, green + 1j * blue), axis=1)
    np.testing.assert_allclose(encoded[:, 0] + 1j * encoded[:, 1], channels, rtol=1e-6)


@pytest.mark.parametrize("name", ["rgb", "sliding"])
def test_colours_are_normalised_by_the_brightest_before_pairing(name: str) -> None:
    images = _images() // 2
    largest = load_encoding(name).statistics(images)
    assert float(largest) == pytest.approx(int(images.max()) / 255, rel=1e-6)


def test_complex_samples_keep_their_parts() -> None:
    chips = _chips()
    encoding = load_encoding("complex")
    largest = encoding.statistics(chips)
    encoded = encoding(chips, largest).numpy()
    assert float(largest) == pytest.approx(np.abs(chips.numpy()).max(), rel=1e-6)
    expected = chips.numpy()[:, np.newaxis] / np.abs(chips.numpy()).max()
    np.testing.assert_allclose(encoded[:, 0] + 1j * encoded[:, 1], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["rgb", "lab", "complex"])
def test_largest_modulus_of_the_normalised_training_set_is_one(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    encoded = encoding(samples, encoding.statistics(samples))
    assert float(torch.hypot(encoded[:, 0], encoded[:, 1]).max()) == pytest.approx(1.0, abs=1e-6)


def test_sliding_modulus_stays_below_the_square_root_of_two() -> None:
    encoding, white = load_encoding("sliding"), torch.full((1, 2, 2, 3), 200, dtype=torch.uint8)
    encoded = encoding(white, encoding.statistics(white))
    assert float(torch.hypot(encoded[:, 0], encoded[:, 1]).max()) == pytest.approx(2**0.5, rel=1e-6)


@pytest.mark.parametrize("name", [name for name in IMAGE_ENCODINGS if name != "rgb_normalised"])
def test_statistics_do_not_depend_on_how_many_samples_are_measured_at_once(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    many = torch.cat([samples // 2 if samples.dtype == torch.uint8 else samples / 2] * 700 + [samples])
    assert torch.equal(
        encoding.statistics(many), torch.maximum(encoding.statistics(many[:9]), encoding.statistics(samples))
    )


@pytest.mark.parametrize("name", IMAGE_ENCODINGS)
def test_shape_type_and_layout(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    encoded = encoding(samples, encoding.statistics(samples))
    assert encoded.shape == (len(samples), 2, encoding.n_channels, 6, 7)
    assert encoded.dtype == (torch.float64 if name == "grey_proportional_phase" else torch.float32)
    assert encoded.is_contiguous()


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", IMAGE_ENCODINGS)
def test_default_type_is_followed(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    largest = encoding.statistics(samples)
    assert largest.dtype == torch.float64
    assert encoding(samples, largest).dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in IMAGE_ENCODINGS if not load_encoding(name).noise])
def test_nonzero_planes_are_those_that_are_not_zero(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    planes = encoding(samples, encoding.statistics(samples)).flatten(1, 2)
    used = tuple(index for index in range(planes.shape[1]) if planes[:, index].any())
    assert encoding.nonzero_planes == used


@pytest.mark.parametrize("name", COLOUR_ENCODINGS)
def test_grey_counts_as_three_equal_channels(name: str) -> None:
    encoding, grey = load_encoding(name), _images(channels=1)
    colour = grey.expand(-1, -1, -1, 3)
    largest = encoding.statistics(grey)
    assert torch.equal(largest, encoding.statistics(colour))
    assert torch.equal(encoding(grey, largest), encoding(colour, largest))


@pytest.mark.parametrize("name", IMAGE_ENCODINGS)
def test_samples_are_encoded_one_by_one(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    largest = encoding.statistics(samples)
    order = torch.tensor([2, 0, 3])
    torch.testing.assert_close(
        encoding(samples[order], largest), encoding(samples, largest)[order], rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("name", IMAGE_ENCODINGS)
def test_compiled_in_one_graph(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    largest = encoding.statistics(samples)
    # All encodings are objects of one class, which is compiled for a few of them only.
    torch.compiler.reset()
    compiled = torch.compile(encoding, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(samples, largest), encoding(samples, largest))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", IMAGE_ENCODINGS)
def test_device_agrees_with_the_processor(name: str) -> None:
    encoding, samples = load_encoding(name), _samples(name)
    largest = encoding.statistics(samples.cuda())
    torch.testing.assert_close(largest.cpu(), encoding.statistics(samples))
    torch.testing.assert_close(encoding(samples.cuda(), largest).cpu(), encoding(samples, largest.cpu()))


@pytest.mark.parametrize(
    ("name", "samples"), [("rgb", _chips()), ("lab", _chips()), ("sliding", _chips()), ("complex", _images())]
)
def test_samples_of_the_other_kind_are_refused(name: str, samples: torch.Tensor) -> None:
    with pytest.raises(PhasebenchError, match="encoding: "):
        load_encoding(name)(samples, torch.tensor(1.0))


def test_unknown_encoding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        PhasebenchError, match=r"encoding 'hsv' is not known; choose one of complex, .*, grey, .*, sliding"
    ):
        load_encoding("hsv")
