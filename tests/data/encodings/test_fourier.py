"""Images from phase or magnitude of their Fourier transform alone, against numpy."""

import numpy as np
import pytest
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import load_encoding

ONE = torch.tensor(1.0)
GREY = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 7, 8, 1), dtype=np.uint8))
PIXELS = GREY[..., 0].numpy() / 255.0
SPECTRA = np.fft.fft2(PIXELS)


@pytest.mark.parametrize(
    ("name", "spectra"),
    [
        ("grey_fourier_phase", np.sqrt(7 * 8) * SPECTRA / np.abs(SPECTRA)),
        ("grey_fourier_magnitude", np.abs(SPECTRA)),
    ],
)
def test_only_one_half_of_the_transform_is_left(name: str, spectra: np.ndarray) -> None:
    expected = np.fft.ifft2(spectra)
    assert np.abs(expected.imag).max() < 1e-12
    planes = load_encoding(name)(GREY, ONE)
    assert planes.shape == (4, 2, 1, 7, 8)
    assert planes.dtype == torch.float32
    np.testing.assert_allclose(planes[:, 0, 0], expected.real, atol=1e-6)
    assert not planes[:, 1].any()


def test_the_phase_tells_where_things_are_and_the_magnitude_does_not() -> None:
    moved = GREY.roll((2, 3), dims=(1, 2))
    phases, magnitudes = (load_encoding(f"grey_fourier_{half}") for half in ("phase", "magnitude"))
    torch.testing.assert_close(phases(moved, ONE), phases(GREY, ONE).roll((2, 3), dims=(3, 4)), atol=1e-5, rtol=0)
    torch.testing.assert_close(magnitudes(moved, ONE), magnitudes(GREY, ONE), atol=1e-5, rtol=0)


def test_black_images_are_encoded_and_colours_are_refused() -> None:
    black = torch.zeros_like(GREY)
    assert load_encoding("grey_fourier_phase")(black, ONE).isfinite().all()
    assert not load_encoding("grey_fourier_magnitude")(black, ONE).any()
    with pytest.raises(PhasebenchError, match="images with one channel"):
        load_encoding("grey_fourier_phase")(GREY.expand(-1, -1, -1, 3), ONE)
