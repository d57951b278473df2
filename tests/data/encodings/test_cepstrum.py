"""Cepstral coefficients against a per-clip implementation in float64, and against what must not change them."""

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings import cepstrum
from phasebench.data.encodings.registry import load_encoding

ONE = torch.tensor(1.0)
NAMES = ("mfcc", "mfcc_complex", "mfcc_phase", "mfcc_and_phase")
# The bins that the study's code computes.
EDGES = [0, 14, 32, 53, 80, 112, 152, 201, 260, 333, 421, 530, 663, 825, 1024]


def clips(n_clips: int = 4, n_samples: int = 66_150) -> torch.Tensor:
    """Chords in noise, int16."""
    random, time = np.random.default_rng(0), np.arange(n_samples) / 22_050
    tones = [
        sum(np.sin(2 * np.pi * frequency * time) for frequency in random.uniform(80, 4000, 4)) for _ in range(n_clips)
    ]
    sound = np.stack(tones) + 0.3 * random.normal(size=(n_clips, n_samples))
    return torch.from_numpy(np.rint(4000 * sound).astype(np.int16))


def coefficients_of_one(clip: np.ndarray) -> dict[str, np.ndarray]:
    """All features of one clip, complex128 (13, T), with scipy's window, framing loop and cosine transform."""
    signal = clip / np.abs(clip.astype(np.float64)).max()
    window = scipy.signal.get_window("hann", 2048, fftbins=True)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    for start in range(0, len(signal) - 2047, 512):
        spectrum = np.fft.fft(window * signal[start : start + 2048])[:1025]

        def bands(values: np.ndarray) -> np.ndarray:
            sums = []
            for low, middle, high in zip(EDGES, EDGES[1:], EDGES[2:], strict=False):
                weights = [*np.linspace(0, 1, middle - low), *np.linspace(1, 0, high - middle)]
                sums.append(np.dot(weights, values[low:high]))
            return np.array(sums)

        def transform(values: np.ndarray) -> np.ndarray:
            return np.asarray(scipy.fft.dct(values, type=2, norm="ortho"))

        power = transform(10 * np.log10(np.maximum(bands(np.abs(spectrum) ** 2), 1e-10)))
        logarithm = 10 * np.log(bands(spectrum)) / np.log(10)
        phase = transform(bands(np.angle(spectrum)))
        columns["mfcc"].append(power + 0j)
        columns["mfcc_complex"].append(transform(logarithm.real) + 1j * transform(logarithm.imag))
        columns["mfcc_phase"].append(power * np.exp(1j * phase))
        columns["mfcc_and_phase"].append(power + 1j * phase)
    return {name: np.stack(found, axis=1) for name, found in columns.items()}


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", NAMES)
def test_batches_equal_one_clip_after_the_other_in_double_precision(name: str) -> None:
    samples = clips(3)
    planes = load_encoding(name)(samples, ONE)
    assert planes.shape == (3, 2, 1, 13, 126)
    assert planes.dtype == torch.float64
    for clip, found in zip(samples, planes[:, :, 0], strict=True):
        expected = coefficients_of_one(clip.numpy())[name]
        np.testing.assert_allclose(torch.complex(*found).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_single_precision_is_close_where_no_phase_wraps() -> None:
    samples = clips(2)
    planes = load_encoding("mfcc")(samples, ONE)
    assert planes.dtype == torch.float32
    assert planes.is_contiguous()
    for clip, found in zip(samples, planes[:, 0, 0], strict=True):
        np.testing.assert_allclose(found, coefficients_of_one(clip.numpy())["mfcc"].real, atol=2e-3)


def test_constants() -> None:
    assert cepstrum.mel_edges() == EDGES
    rows = [16, 19.5, 24, 29.5, 36, 44.5, 54, 66, 80.5, 98.5, 121, 147.5, 180.5]
    np.testing.assert_allclose(cepstrum.mel_triangles().sum(dim=0), rows, rtol=1e-12)
    matrix = cepstrum.cosine_transform()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(13), atol=2e-15)
    assert cepstrum.spectra(torch.randn(2, 66_150)).shape == (2, 126, 1025)


def test_a_real_positive_spectrum_leaves_plain_decibels() -> None:
    spectrum = torch.rand(2, 3, 1025, dtype=torch.float64) + 0.1
    real, imaginary = cepstrum.complex_coefficients(torch.complex(spectrum, torch.zeros_like(spectrum)))
    bands = spectrum @ cepstrum.mel_triangles()
    expected = scipy.fft.dct(10 * np.log10(bands.numpy()), type=2, norm="ortho", axis=2).transpose(0, 2, 1)
    np.testing.assert_allclose(real, expected, rtol=1e-12, atol=1e-12)
    assert not imaginary.any()


def test_imaginary_parts_are_bounded_by_the_principal_logarithm() -> None:
    planes = load_encoding("mfcc_complex")(clips(), ONE)
    bound = cepstrum.cosine_transform().abs().sum(dim=1) * 10 * np.pi / np.log(10)
    assert (planes[:, 1, 0].abs().amax(dim=(0, 2)) <= bound * (1 + 1e-6)).all()
    assert planes[:, 1, 0].abs().max() > 10


def test_the_modulus_of_workflow_ii_is_that_of_the_real_coefficients() -> None:
    real, phased = (load_encoding(name)(clips(), ONE) for name in ("mfcc", "mfcc_phase"))
    torch.testing.assert_close(torch.hypot(phased[:, 0], phased[:, 1]), real[:, 0].abs(), rtol=1e-5, atol=1e-4)
    assert not real[:, 1].any()


@pytest.mark.usefixtures("double_precision")
def test_sign_and_loudness_do_not_change_real_coefficients() -> None:
    encoding, samples = load_encoding("mfcc"), clips() // 3
    expected = encoding(samples, ONE)
    for changed in (-samples, 2 * samples):
        torch.testing.assert_close(encoding(changed, ONE), expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_finite(name: str) -> None:
    samples = torch.zeros(2, 66_150, dtype=torch.int16)
    samples[1, :3000] = clips()[1, :3000]
    planes = load_encoding(name)(samples, ONE)
    assert planes.isfinite().all()
    # -100 dB in all bands.
    silent = torch.hypot(planes[0, 0, 0, 0], planes[0, 1, 0, 0])
    np.testing.assert_allclose(silent, 100.0 * np.sqrt(13), rtol=1e-5)


def test_features_are_cut_and_filled_with_zeros() -> None:
    encoding = load_encoding("mfcc")
    samples = clips(2, 80_000)
    long, short = encoding(samples, ONE), encoding(samples[:, :22_050], ONE)
    assert long.shape == short.shape == (2, 2, 1, 13, 126)
    assert not short[..., 40:].any()
    assert short[:, 0, ..., :40].all()
    features = torch.ones(3, 13, 126)
    fitted = cepstrum.fit_frames(features, torch.tensor([66_150, 2048, 100]))
    assert fitted[:, 0].sum(dim=1).tolist() == [126, 1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_clips_are_encoded_one_by_one(name: str) -> None:
    encoding, samples = load_encoding(name), clips()
    order = torch.tensor([2, 0, 3])
    together, apart = encoding(samples, ONE)[order], encoding(samples[order], ONE)
    torch.testing.assert_close(apart, together, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_other_samples_are_refused(name: str) -> None:
    with pytest.raises(PhasebenchError, match="encodings are for audio"):
        load_encoding(name)(torch.zeros(1, 8, 8, 1, dtype=torch.uint8), ONE)


def data_of(samples: torch.Tensor) -> DeviceData:
    indices, encoding = torch.arange(len(samples)), load_encoding("mfcc")
    return DeviceData(
        *(samples, indices, indices, indices[:0], indices, encoding, encoding, ONE, tuple("abcd")),
        encoded=encoding(samples, ONE),
    )


def test_batches_of_encoded_clips_are_those_of_the_clips() -> None:
    samples = clips()
    data, picked = data_of(samples), torch.tensor([3, 1])
    expected = load_encoding("mfcc")(samples[picked], ONE)
    torch.testing.assert_close(data.batch(picked), expected, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(data.training_batch(picked, torch.Generator()), expected, rtol=1e-5, atol=1e-3)


def test_training_alone_is_augmented_and_follows_its_generator() -> None:
    data, indices = data_of(clips()), torch.arange(4)
    first, again, other = (
        data.training_batch(indices, torch.Generator().manual_seed(seed), augmentation="pitch_stretch")
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == data.batch(indices).shape
    with pytest.raises(PhasebenchError, match="'crop_flip' is for images; use 'pitch_stretch'"):
        data.training_batch(indices, torch.Generator(), augmentation="crop_flip")
    with pytest.raises(PhasebenchError, match="'pitch_stretch' is for audio"):
        load_encoding("grey").augmented(data.samples, ONE, torch.Generator())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_device_agrees_with_the_processor(name: str) -> None:
    encoding, samples = load_encoding(name), clips()
    found, expected = encoding(samples.cuda(), ONE.cuda()).cpu(), encoding(samples, ONE)
    # A phase next to a half turn may fall to either side.
    moduli = [torch.hypot(planes[:, 0], planes[:, 1]) for planes in (found, expected)]
    assert float((moduli[0] - moduli[1]).abs().median()) < 1e-2
    changed = encoding.augmented(samples.cuda(), ONE.cuda(), torch.Generator().manual_seed(0))
    assert changed.is_cuda
    assert changed.isfinite().all()
