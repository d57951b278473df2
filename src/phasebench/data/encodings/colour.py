"""Encodings of colour images: RGB, CIE L*a*b* and sliding pairs of colours."""

import torch
from torch import Tensor
from torch.nn import functional

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.base import Encoding, chunks, largest_of

# IEC 61966-2-1 (sRGB) to CIE XYZ; each row is divided by its component of the D65 white point, 2 degree observer.
_WHITE = (0.95047, 1.0, 1.08883)
_XYZ_FROM_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_RELATIVE_XYZ_FROM_RGB = tuple(
    tuple(weight / white for weight in row) for row, white in zip(_XYZ_FROM_RGB, _WHITE, strict=True)
)


class Rgb(Encoding):
    """Red, green and blue, divided by 255: three complex channels whose imaginary parts are zero."""

    n_channels = 3
    nonzero_planes = (0, 1, 2)

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the largest colour value, from 0 to 1, a scalar."""
        return _largest_colour(samples, "rgb")

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        planes = _colour_planes(samples, "rgb") / (255.0 * statistics)
        return _as_complex(functional.pad(planes, (0, 0, 0, 0, 0, 3)))


class RgbNormalised(Encoding):
    """Red, green and blue, less their means and over their standard deviations: three channels without imaginary parts.

    Both are measured over the training subset.
    """

    n_channels = 3
    nonzero_planes = (0, 1, 2)

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure mean and standard deviation of each colour, shape ``(2, 3)``, in units of a pixel's 256 levels."""
        sums = torch.zeros(2, 3, dtype=torch.float64, device=samples.device)
        for part in chunks(samples):
            planes = _colour_planes(part, "rgb_normalised").double()
            sums += torch.stack((planes.sum(dim=(0, 2, 3)), planes.square().sum(dim=(0, 2, 3))))
        mean, square = sums / samples[..., 0].numel()
        # A channel that never changes becomes zero.
        deviation = (square - mean.square()).clamp(min=0.0).sqrt()
        return torch.stack((mean, deviation.where(deviation > 0.0, 1.0))).to(torch.get_default_dtype())

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        mean, deviation = statistics[:, :, None, None]
        planes = (_colour_planes(samples, "rgb_normalised") - mean) / deviation
        return _as_complex(functional.pad(planes, (0, 0, 0, 0, 0, 3)))


class Sliding(Encoding):
    """Two complex channels, R + iG and G + iB, divided by 255 (Co-domain Symmetry, section 4).

    The largest value is taken before pairing, so the modulus can reach the square root of two.
    """

    n_channels = 2
    nonzero_planes = (0, 1, 2, 3)

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the largest colour value, from 0 to 1, a scalar."""
        return _largest_colour(samples, "sliding")

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        red, green, blue = (_colour_planes(samples, "sliding") / (255.0 * statistics)).unbind(1)
        return _as_complex(torch.stack((red, green, green, blue), dim=1))


class Lab(Encoding):
    """CIE L*a*b* divided by 255, as two complex channels L* and a* + ib* (Co-domain Symmetry, section 4).

    A change of hue is then a rotation of the second channel. sRGB primaries, D65 white point, 2 degree observer.
    """

    n_channels = 2
    nonzero_planes = (0, 1, 3)

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the largest modulus of both channels, over 255, a scalar."""
        return largest_of(samples, _lab_moduli)

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        lightness, a, b = _lab_planes(samples)
        planes = torch.stack((lightness, a, torch.zeros_like(a), b), dim=1)
        return _as_complex(planes.div_(255.0 * statistics))


def _colour_planes(samples: Tensor, encoding: str) -> Tensor:
    """Colour images with the channel axis second: uint8 (N, 3, H, W), contiguous but for repeated grey."""
    if samples.dtype != torch.uint8 or samples.ndim != 4 or samples.shape[-1] not in (1, 3):
        raise PhasebenchError(f"encoding: {encoding!r} is for images; use 'complex' for complex samples")
    return samples.permute(0, 3, 1, 2).contiguous().expand(-1, 3, -1, -1)


def _largest_colour(samples: Tensor, encoding: str) -> Tensor:
    return largest_of(samples, lambda part: _colour_planes(part, encoding).max().to(torch.get_default_dtype()) / 255.0)


def _as_complex(planes: Tensor) -> Tensor:
    """Planes (N, 2C, H, W), all real parts first, as (N, 2, C, H, W)."""
    n_samples, n_planes, height, width = planes.shape
    return planes.view(n_samples, 2, n_planes // 2, height, width)


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


def _lab_moduli(samples: Tensor) -> Tensor:
    """Largest L* and largest chroma, over 255, each a scalar: ``(2,)``."""
    lightness, a, b = _lab_planes(samples)
    return torch.stack((lightness.max(), torch.hypot(a, b).max())) / 255.0


def _linear_light(images: Tensor) -> Tensor:
    """Undo the transfer curve of sRGB, 0 to 1, by a table of the 256 levels, which is cheap to make on the device."""
    level = torch.arange(256, device=images.device, dtype=torch.get_default_dtype()) / 255.0
    table = torch.where(level > 0.04045, ((level + 0.055) / 1.055).pow(2.4), level / 12.92)
    return table.index_select(0, images.reshape(-1).int()).view(images.shape)
