"""Deep Complex Networks, the complex baseline without symmetry (Trabelsi et al. 2018).

Singhal, Xing and Yu 2022 compare with three of them: on the layout of CIFARnet (Table 1), on radar chips (Table 2) and
the published wide and shallow one (Table 3). Their layers were recovered from the printed parameter counts.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.init import he_rayleigh_, he_unitary_
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.whitening import ComplexBatchNorm2d

# Of the authors' batch normalisations, complex and real.
EPS = 1e-4


class CifarDeepComplex(nn.Module):
    """The complex baseline on 32x32 images: CIFARnet with biases, CReLU and real dense layers (66,858 parameters).

    Neither residual connections nor batch normalisation.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input; the published count has two.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        self.conv1 = he_rayleigh_(ComplexConv2d(in_channels, 16, 3, stride=2, padding=1, bias=True))
        self.conv2 = he_rayleigh_(ComplexConv2d(16, 32, 3, stride=2, padding=1, bias=True))
        self.conv3 = he_rayleigh_(ComplexConv2d(32, 64, 3, stride=2, padding=1, bias=True))
        self.pool = he_rayleigh_(ComplexConv2d(64, 64, 4, groups=64, bias=True))
        self.head = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, n_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = as_planes(images)
        for convolution in (self.conv1, self.conv2, self.conv3):
            maps = complex_relu(convolution(maps))
        logits: Tensor = self.head(self.pool(maps).flatten(1))
        return logits


def _convolution(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> ComplexConv2d:
    """A convolution of the residual networks: the output is as large as the input, or as half of it."""
    padding = kernel_size // 2
    return he_unitary_(ComplexConv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding))


class _Residual(nn.Module):
    """Twice normalisation, CReLU and convolution."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.norm1, self.conv1 = ComplexBatchNorm2d(channels, EPS), _convolution(channels, channels, stride=stride)
        self.norm2, self.conv2 = ComplexBatchNorm2d(channels, EPS), _convolution(channels, channels)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to ``(N, 2, C, H', W')``."""
        maps = self.conv1(complex_relu(self.norm1(planes)))
        result: Tensor = self.conv2(complex_relu(self.norm2(maps)))
        return result


class ResidualBlock(nn.Module):
    """The identity plus a residual.

    Parameters
    ----------
    channels : int
        Complex channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = _Residual(channels)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        result: Tensor = planes + self.residual(planes)
        return result


class ProjectionBlock(nn.Module):
    """Halve the map and double the channels: those of a strided 1x1 convolution, then those of a residual.

    Parameters
    ----------
    channels : int
        Complex channels in.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shortcut = _convolution(channels, channels, 1, stride=2)
        self.residual = _Residual(channels, stride=2)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to ``(N, 2, 2C, H / 2, W / 2)``."""
        return torch.cat((self.shortcut(planes), self.residual(planes)), dim=2)


class ResidualTrunk(nn.Module):
    """Three stages of residual blocks, an average over the map and a real dense layer.

    Parameters
    ----------
    channels : int
        Complex channels of the first stage; they double twice.
    blocks : int
        Blocks of a stage.
    n_classes : int
        Logits.
    """

    def __init__(self, channels: int, blocks: int, n_classes: int) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.stage2 = self._narrowing_stage(channels, blocks)
        self.stage3 = self._narrowing_stage(2 * channels, blocks)
        self.head = nn.Linear(8 * channels, n_classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @staticmethod
    def _narrowing_stage(channels: int, blocks: int) -> nn.Sequential:
        return nn.Sequential(ProjectionBlock(channels), *(ResidualBlock(2 * channels) for _ in range(blocks - 1)))

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to logits ``(N, K)``."""
        maps = self.stage3(self.stage2(self.stage1(planes)))
        logits: Tensor = self.head(maps.mean(dim=(3, 4)).flatten(1))
        return logits


class _PlanesBatchNorm2d(nn.BatchNorm2d):
    """Real batch normalisation of both planes, each by itself; ``2C`` features."""

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return super().forward(planes.flatten(1, 2)).view_as(planes)


class MstarDeepComplex(nn.Module):
    """The complex baseline on 128x128 radar chips: two strided convolutions before a residual network.

    863,587 parameters as printed, with real normalisations in the stem; 863,609 with complex ones.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the input.
    stem_norm : {"real", "complex"}
        Normalisation behind the two strided convolutions.
    """

    def __init__(self, n_classes: int, in_channels: int = 1, stem_norm: Literal["real", "complex"] = "real") -> None:
        super().__init__()
        width = 11

        def norm() -> nn.Module:
            return _PlanesBatchNorm2d(2 * width, EPS) if stem_norm == "real" else ComplexBatchNorm2d(width, EPS)

        self.stem = nn.Sequential(
            _convolution(in_channels, width, stride=2), norm(), _convolution(width, width, stride=2), norm()
        )
        self.conv, self.norm = _convolution(width, width), ComplexBatchNorm2d(width, EPS)
        self.trunk = ResidualTrunk(width, 10, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, 1, H, W)`` planes, or complex ``(N, 1, H, W)``, to logits ``(N, K)``."""
        maps = complex_relu(self.norm(self.conv(self.stem(as_planes(images)))))
        logits: Tensor = self.trunk(maps)
        return logits


class WideShallow(nn.Module):
    """The published wide and shallow network for 32x32 images, 16 blocks a stage from 12 channels.

    1,680,046 parameters with two complex channels; 1,680,292 with three and a learned imaginary part.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input.
    learn_imaginary : bool
        Read the real parts alone and compute the imaginary parts from them, as the authors do with RGB.
    """

    def __init__(self, n_classes: int, in_channels: int = 2, learn_imaginary: bool = False) -> None:
        super().__init__()
        width = 12
        self.imaginary = _learned_imaginary(in_channels) if learn_imaginary else None
        self.conv, self.norm = _convolution(in_channels, width), ComplexBatchNorm2d(width, EPS)
        self.trunk = ResidualTrunk(width, 16, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = as_planes(images)
        if self.imaginary is not None:
            maps = torch.stack((maps[:, 0], self.imaginary(maps[:, 0])), dim=1)
        logits: Tensor = self.trunk(complex_relu(self.norm(self.conv(maps))))
        return logits


def _learned_imaginary(channels: int) -> nn.Sequential:
    """Twice a normalisation, ReLU and a 1x1 convolution, all real."""
    layers: list[nn.Module] = []
    for _ in range(2):
        convolution = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        layers += [nn.BatchNorm2d(channels, EPS), nn.ReLU(), convolution]
    return nn.Sequential(*layers)
