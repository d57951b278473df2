"""CDS-Large for 32x32 images (Singhal, Xing and Yu 2022, Table 3)."""

import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.invariant import Conjugate
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.pooling import MagnitudeMaxPool2d
from phasebench.nn.complex.whitening import ComplexBatchNorm2d

LOGIT_SCALE = 0.125


class ConvolutionBlock(nn.Module):
    """A 3x3 convolution, whitening batch normalisation and CReLU.

    Parameters
    ----------
    in_channels, out_channels, groups : int
        As in :class:`ComplexConv2d`.
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.conv = ComplexConv2d(in_channels, out_channels, 3, padding=1, groups=groups, form="gauss")
        self.norm = ComplexBatchNorm2d(out_channels, eps=1e-5)
        _mix_parts_(self.norm)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C_in, H, W)`` to ``(N, 2, C_out, H, W)``."""
        return complex_relu(self.norm(self.conv(planes)))


@torch.no_grad()
def _mix_parts_(norm: ComplexBatchNorm2d) -> None:
    """Start at unit diagonals and random off-diagonals, as the public code of the study does."""
    norm.weight[0::2] = 1.0
    nn.init.uniform_(norm.weight[1], -0.9, 0.9)
    norm.running_covariance[0::2] = 1.0


class ResidualPair(nn.Module):
    """Two convolution blocks beside the identity.

    Parameters
    ----------
    channels, groups : int
        As in :class:`ComplexConv2d`.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            ConvolutionBlock(channels, channels, groups), ConvolutionBlock(channels, channels, groups)
        )

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        result: Tensor = planes + self.branch(planes)
        return result


class CoDomainSymmetricLarge(nn.Module):
    """CDS-Large: a conjugate layer makes the features invariant to phase early (1,747,520 parameters).

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input; the published count has two.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        self.conv = ComplexConv2d(in_channels, 64, 3, padding=1, form="gauss")
        self.invariant = Conjugate(64, 1, single_filter=True)
        self.stage1 = nn.Sequential(
            ConvolutionBlock(64, 64, 2), ConvolutionBlock(64, 128, 2), MagnitudeMaxPool2d(2), ResidualPair(128, 2)
        )
        self.stage2 = nn.Sequential(ConvolutionBlock(128, 256, 4), MagnitudeMaxPool2d(2))
        self.stage3 = nn.Sequential(ConvolutionBlock(256, 256, 2), MagnitudeMaxPool2d(2), ResidualPair(256, 4))
        self.pool = MagnitudeMaxPool2d(4)
        self.head = nn.Linear(512, n_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = self.invariant(self.conv(as_planes(images)))
        maps = self.pool(self.stage3(self.stage2(self.stage1(maps))))
        logits: Tensor = LOGIT_SCALE * self.head(maps.flatten(1))
        return logits
