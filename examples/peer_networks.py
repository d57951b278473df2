"""CIFARnet of Singhal, Xing and Yu 2022 (section 5.2) built of the layers of three other libraries.

Widths, kernels, groups and strides are those of the study: three convolutions with stride 2, a learned pooling, a 1x1
convolution to 128 features, a normalisation and a linear classifier; where a library has a layer of its own for one of
these places, it takes that. All read native complex images ``(N, C, 32, 32)``. They need
``pip install 'phasebench[peers]'``; docs/extending/network.md trains them beside the study's networks.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_WIDTHS = ((16, 1), (32, 2), (64, 4))
"""Channels and groups of the convolutions; the first has one group."""
_FEATURES, _POOLED, _GROUPS = 128, 4, 4
_Convolution = Callable[..., nn.Module]


def _features(in_channels: int, convolution: _Convolution, activations: Sequence[nn.Module]) -> list[nn.Module]:
    """Convolutions with an activation behind each, the learned pooling and the 1x1 convolution."""
    layers: list[nn.Module] = []
    for (width, groups), activation in zip(_WIDTHS, activations, strict=True):
        layers += [convolution(in_channels, width, 3, stride=2, padding=1, groups=groups), activation]
        in_channels = width
    pool = convolution(in_channels, in_channels, _POOLED, groups=in_channels)
    return [*layers, pool, convolution(in_channels, _FEATURES, 1, groups=_GROUPS)]


class ComplexPyTorchNet(nn.Module):
    """Layers of complexPyTorch: convolutions of two real ones, CReLU and whitening batch normalisation.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        from complexPyTorch.complexLayers import ComplexBatchNorm2d, ComplexConv2d, ComplexLinear, ComplexReLU

        activations = [ComplexReLU() for _ in _WIDTHS]
        self.features = nn.Sequential(
            *_features(in_channels, ComplexConv2d, activations), ComplexBatchNorm2d(_FEATURES)
        )
        self.head = ComplexLinear(_FEATURES, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to complex logits ``(N, K)``."""
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


class TorchcvnnNet(nn.Module):
    """Layers of torchcvnn: torch's complex convolutions, modReLU and whitening batch normalisation.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        from torchcvnn.nn import BatchNorm2d, modReLU
        from torchcvnn.nn.modules.initialization import complex_kaiming_normal_

        def convolution(*sizes: int, **settings: int) -> nn.Module:
            layer = nn.Conv2d(*sizes, **settings, dtype=torch.complex64)  # type: ignore[arg-type, misc]
            complex_kaiming_normal_(layer.weight, nonlinearity="relu")
            return layer

        activations = [modReLU() for _ in _WIDTHS]
        self.features = nn.Sequential(*_features(in_channels, convolution, activations), BatchNorm2d(_FEATURES))
        self.head = nn.Linear(_FEATURES, n_classes, dtype=torch.complex64)

    def forward(self, images: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to complex logits ``(N, K)``."""
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


class ComplextorchNet(nn.Module):
    """Layers of complextorch: its GTReLU, normalisation by magnitude and prototype distance; the logits are real.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        from complextorch.nn import Conv2d, GTReLU, MagBatchNorm2d, PrototypeDistance

        activations = [GTReLU(width, phase_scale=True) for width, _ in _WIDTHS]
        self.features = nn.Sequential(*_features(in_channels, Conv2d, activations), MagBatchNorm2d(_FEATURES))
        self.head = PrototypeDistance(_FEATURES, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to real logits ``(N, K)``."""
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits
