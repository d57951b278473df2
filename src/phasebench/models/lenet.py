"""LeNet-like networks, real and complex (Agrawal, "Analysis of Complex Valued Convolutional Networks").

Two convolutions with max-pooling, batch normalisation after the first pooling, two dense layers. Both networks return
moduli: the complex one has to, and the real one does so as well in the study.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.init import glorot_rayleigh_, he_rayleigh_
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.numerics import SMALLEST_SQUARE
from phasebench.nn.complex.pooling import MagnitudeMaxPool2d
from phasebench.nn.complex.whitening import ComplexBatchNorm2d

Initialisation = Literal["default", "rayleigh_glorot", "rayleigh_he"]
HIDDEN = 500
EPS = 1e-5


class RealLeNet(nn.Module):
    """The real network.

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads, as indices into the flattened ``(2C, H, W)``.
    widths : pair of int
        Channels of the two convolutions.
    kernel_size : int
        Of both convolutions, which do not pad.
    input_size : pair of int
        Height and width.
    """

    planes: Tensor

    def __init__(
        self,
        n_classes: int,
        planes: Sequence[int] = (0,),
        *,
        widths: tuple[int, int] = (10, 20),
        kernel_size: int = 5,
        input_size: tuple[int, int] = (28, 28),
    ) -> None:
        super().__init__()
        self.register_buffer("planes", torch.tensor(planes), persistent=False)
        self.features = nn.Sequential(
            nn.Conv2d(len(planes), widths[0], kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(widths[0], EPS),
            nn.Conv2d(widths[0], widths[1], kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(widths[1] * _final_pixels(input_size, kernel_size), HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``, all at least zero."""
        logits: Tensor = self.features(as_planes(images).flatten(1, 2).index_select(1, self.planes)).abs()
        return logits


class ComplexLeNet(nn.Module):
    """The same layers with complex numbers: CReLU, pooling by modulus, whitening normalisation, free complex biases.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the input.
    widths, kernel_size, input_size
        As in :class:`RealLeNet`.
    initialisation : {"default", "rayleigh_glorot", "rayleigh_he"}
        ``default`` draws real and imaginary parts as torch draws real kernels, which is what the study ran; the others
        draw Rayleigh moduli and uniform phases, which is what it describes.

    Raises
    ------
    PhasebenchError
        There is no such initialisation.
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 1,
        *,
        widths: tuple[int, int] = (10, 20),
        kernel_size: int = 5,
        input_size: tuple[int, int] = (28, 28),
        initialisation: Initialisation = "default",
    ) -> None:
        super().__init__()
        if initialisation not in get_args(Initialisation):
            known = ", ".join(get_args(Initialisation))
            raise PhasebenchError(f"initialisation '{initialisation}' is unknown; known: {known}")
        self.conv1 = ComplexConv2d(in_channels, widths[0], kernel_size, bias=True)
        self.norm = ComplexBatchNorm2d(widths[0], EPS)
        self.conv2 = ComplexConv2d(widths[0], widths[1], kernel_size, bias=True)
        self.pool = MagnitudeMaxPool2d(2)
        # A dense layer is a convolution of single pixels.
        self.dense1 = ComplexConv2d(widths[1] * _final_pixels(input_size, kernel_size), HIDDEN, 1, bias=True)
        self.dense2 = ComplexConv2d(HIDDEN, n_classes, 1, bias=True)
        for layer in (self.conv1, self.conv2, self.dense1, self.dense2):
            if initialisation == "rayleigh_glorot":
                glorot_rayleigh_(layer)
            elif initialisation == "rayleigh_he":
                he_rayleigh_(layer)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``, all at least zero."""
        maps = self.norm(self.pool(complex_relu(self.conv1(as_planes(images)))))
        maps = self.pool(complex_relu(self.conv2(maps)))
        features = maps.flatten(2)[..., None, None]
        outputs = self.dense2(complex_relu(self.dense1(features)))[..., 0, 0]
        # The root of zero has no gradient.
        logits: Tensor = outputs.square().sum(dim=1).clamp(min=SMALLEST_SQUARE).sqrt()
        return logits


def real_lenet_wide(n_classes: int, planes: Sequence[int] = (0,)) -> RealLeNet:
    """The real network with 32 and 64 channels, for Fashion-MNIST."""
    return RealLeNet(n_classes, planes, widths=(32, 64))


def complex_lenet_wide(
    n_classes: int, in_channels: int = 1, initialisation: Initialisation = "default"
) -> ComplexLeNet:
    """The complex network with 32 and 64 channels, for Fashion-MNIST."""
    return ComplexLeNet(n_classes, in_channels, widths=(32, 64), initialisation=initialisation)


def real_lenet_audio(n_classes: int, planes: Sequence[int] = (0,)) -> RealLeNet:
    """The real network for 13 cepstral coefficients in 126 frames."""
    return RealLeNet(n_classes, planes, kernel_size=2, input_size=(13, 126))


def complex_lenet_audio(
    n_classes: int, in_channels: int = 1, initialisation: Initialisation = "default"
) -> ComplexLeNet:
    """The complex network for 13 cepstral coefficients in 126 frames."""
    return ComplexLeNet(n_classes, in_channels, kernel_size=2, input_size=(13, 126), initialisation=initialisation)


def _final_pixels(input_size: tuple[int, int], kernel_size: int) -> int:
    """Pixels of a map after two convolutions without padding, each followed by pooling."""
    height, width = (((size - kernel_size + 1) // 2 - kernel_size + 1) // 2 for size in input_size)
    return height * width
