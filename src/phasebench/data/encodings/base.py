"""Encodings: stored samples to the complex feature maps that the networks read.

Every encoding turns a batch of stored samples into one real tensor (N, 2, C, H, W), axis 1 holding real and imaginary
part. All arithmetic is elementwise and in the default floating type: reduced-precision matrix products, which trainers
switch on for speed, cannot touch it. What to divide by is measured once over the training subset, by :meth:`largest`,
so that no encoded training sample leaves the unit disc (Co-domain Symmetry, section 4.1).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from phasebench.common.errors import PhasebenchError

_CHUNK = 1024

# IEC 61966-2-1 (sRGB) to CIE XYZ; each row is divided by its component of the D65 white point, 2 degree observer.
_WHITE = (0.95047, 1.0, 1.08883)
_XYZ_FROM_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_RELATIVE_XYZ_FROM_RGB = tuple(
    tuple(weight / white for weight in row) for row, white in zip(_XYZ_FROM_RGB, _WHITE, strict=True)
)


class Encoding(ABC):
    """A map from stored samples to complex feature maps.

    Attributes
    ----------
    n_channels
        Number C of complex channels.
    nonzero_planes
        Indices into the 2C planes (re_0 .. re_{C-1}, im_0 .. im_{C-1}) that are not zero for every sample; a
        real-valued network reads these.
    noise
        Standard deviation of what training adds to every real plane, fresh for every batch.
    costly
        Whether samples are better encoded once, before training, than again in every batch.
    """

    n_channels: ClassVar[int]
    nonzero_planes: ClassVar[tuple[int, ...]]
    noise: ClassVar[float] = 0.0
    costly: ClassVar[bool] = False

    def largest(self, samples: Tensor) -> Tensor:
        """Measure what :meth:`__call__` divides by.

        Parameters
        ----------
        samples : uint8 (N, H, W, 1 or 3) or complex64 (N, H, W)
            The training subset.

        Returns
        -------
        Tensor
            Scalar in the default floating type, on the samples' device; :class:`RgbNormalised` has more than a scalar.
        """
        return torch.stack([self._largest_of(part) for part in torch.split(samples, _CHUNK)]).max()

    @abstractmethod
    def _largest_of(self, samples: Tensor) -> Tensor:
        """:meth:`largest` of so few samples that intermediate results fit in memory."""

    @abstractmethod
    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch.

        Parameters
        ----------
        samples : uint8 (N, H, W, 1 or 3) or complex64 (N, H, W)
            Stored samples. Grey images count as three equal channels.
        largest : scalar
            What :meth:`largest` returned for the training subset.

        Returns
        -------
        Tensor (N, 2, C, H, W)
            Contiguous, in the default floating type (float32), or double where the study's numbers hang on it.

        Raises
        ------
        PhasebenchError
            The encoding is not for this kind of samples.
        """

    def augmented(self, samples: Tensor, largest: Tensor, random: torch.Generator) -> Tensor:
        """Encode a batch whose pitch and tempo are changed at random.

        Parameters
        ----------
        samples, largest
            As in :meth:`__call__`.
        random : torch.Generator
            On the CPU; decides the changes.

        Raises
        ------
        PhasebenchError
            The encoding is not for audio.
        """
        raise PhasebenchError("recipe.augmentation: 'pitch_stretch' is for audio; use 'crop_flip' for images")


class Rgb(Encoding):
    """Red, green and blue, divided by 255: three complex channels whose imaginary parts are zero."""

    n_channels = 3
    nonzero_planes = (0, 1, 2)

    def _largest_of(self, samples: Tensor) -> Tensor:
        return _colour_planes(samples, "rgb").max().to(torch.get_default_dtype()) / 255.0

    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        planes = _colour_planes(samples, "rgb") / (255.0 * largest)
        return _as_complex(functional.pad(planes, (0, 0, 0, 0, 0, 3)))


class RgbNormalised(Encoding):
    """Red, green and blue, less their means and over their standard deviations: three channels without imaginary parts.

    In place of a largest value, both are measured over the training subset.
    """

    n_channels = 3
    nonzero_planes = (0, 1, 2)

    def largest(self, samples: Tensor) -> Tensor:
        """Means and standard deviations of the three colours, shape ``(2, 3)``, in units of a pixel's 256 levels."""
        sums = torch.zeros(2, 3, dtype=torch.float64, device=samples.device)
        for part in torch.split(samples, _CHUNK):
            planes = _colour_planes(part, "rgb_normalised").double()
            sums += torch.stack((planes.sum(dim=(0, 2, 3)), planes.square().sum(dim=(0, 2, 3))))
        mean, square = sums / samples[..., 0].numel()
        # A channel that never changes becomes zero.
        deviation = (square - mean.square()).clamp(min=0.0).sqrt()
        return torch.stack((mean, deviation.where(deviation > 0.0, 1.0))).to(torch.get_default_dtype())

    def _largest_of(self, samples: Tensor) -> Tensor:
        return self.largest(samples)

    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        mean, deviation = largest[:, :, None, None]
        planes = (_colour_planes(samples, "rgb_normalised") - mean) / deviation
        return _as_complex(functional.pad(planes, (0, 0, 0, 0, 0, 3)))


class Sliding(Encoding):
    """Two complex channels, R + iG and G + iB, divided by 255 (Co-domain Symmetry, section 4.1).

    The largest value is taken before pairing, so the modulus can reach the square root of two.
    """

    n_channels = 2
    nonzero_planes = (0, 1, 2, 3)

    def _largest_of(self, samples: Tensor) -> Tensor:
        return _colour_planes(samples, "sliding").max().to(torch.get_default_dtype()) / 255.0

    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        red, green, blue = (_colour_planes(samples, "sliding") / (255.0 * largest)).unbind(1)
        return _as_complex(torch.stack((red, green, green, blue), dim=1))


class Lab(Encoding):
    """CIE L*a*b* divided by 255, as two complex channels L* and a* + ib* (Co-domain Symmetry, section 4.1).

    A change of hue is then a rotation of the second channel. sRGB primaries, D65 white point, 2 degree observer.
    """

    n_channels = 2
    nonzero_planes = (0, 1, 3)

    def _largest_of(self, samples: Tensor) -> Tensor:
        lightness, a, b = _lab_planes(samples)
        return torch.maximum(lightness.max(), torch.hypot(a, b).max()) / 255.0

    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        lightness, a, b = _lab_planes(samples)
        planes = torch.stack((lightness, a, torch.zeros_like(a), b), dim=1)
        return _as_complex(planes.div_(255.0 * largest))


class Complex(Encoding):
    """Samples that are complex already, such as radar chips: one complex channel."""

    n_channels = 1
    nonzero_planes = (0, 1)

    def _largest_of(self, samples: Tensor) -> Tensor:
        real, imaginary = _complex_parts(samples)
        return torch.hypot(real, imaginary).max()

    def __call__(self, samples: Tensor, largest: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        return torch.stack(_complex_parts(samples), dim=1).unsqueeze(2) / largest


def _colour_planes(samples: Tensor, encoding: str) -> Tensor:
    """Colour images with the channel axis second: uint8 (N, 3, H, W), contiguous but for repeated grey."""
    if samples.dtype != torch.uint8 or samples.ndim != 4 or samples.shape[-1] not in (1, 3):
        raise PhasebenchError(f"encoding: {encoding!r} is for images; use 'complex' for complex samples")
    return samples.permute(0, 3, 1, 2).contiguous().expand(-1, 3, -1, -1)


def _as_complex(planes: Tensor) -> Tensor:
    """Planes (N, 2C, H, W), all real parts first, as (N, 2, C, H, W)."""
    n_samples, n_planes, height, width = planes.shape
    return planes.view(n_samples, 2, n_planes // 2, height, width)


def _complex_parts(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part, each (N, H, W)."""
    if not samples.is_complex() or samples.ndim != 3:
        raise PhasebenchError("encoding: 'complex' is for complex samples; use 'rgb', 'lab' or 'sliding' for images")
    real, imaginary = torch.view_as_real(samples).to(torch.get_default_dtype()).unbind(-1)
    return real, imaginary


def _lab_planes(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L* (0 to 100), a* and b*, each (N, H, W)."""
    red, green, blue = _linear_light(_colour_planes(samples, "lab")).unbind(1)
    # Sums of scaled planes, in place: a matrix product might be done in reduced precision.
    relative_xyz = torch.stack(
        [(red * r).add_(green, alpha=g).add_(blue, alpha=b) for r, g, b in _RELATIVE_XYZ_FROM_RGB], dim=1
    )
    line = (relative_xyz * 7.787).add_(16.0 / 116.0)
    f_x, f_y, f_z = torch.where(relative_xyz > 0.008856, relative_xyz.pow(1.0 / 3.0), line).unbind(1)
    return (f_y * 116.0).sub_(16.0), (f_x - f_y).mul_(500.0), (f_y - f_z).mul_(200.0)


def _linear_light(images: Tensor) -> Tensor:
    """Undo sRGB's transfer curve, 0 to 1, by a table of the 256 levels made anew on the device, where it is cheap."""
    level = torch.arange(256, device=images.device, dtype=torch.get_default_dtype()) / 255.0
    table = torch.where(level > 0.04045, ((level + 0.055) / 1.055).pow(2.4), level / 12.92)
    return table.index_select(0, images.reshape(-1).int()).view(images.shape)
