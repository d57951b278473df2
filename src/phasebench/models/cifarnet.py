"""CIFARnet for 32x32 images: three strided convolutions, a learned pooling and two dense layers.

Singhal, Xing and Yu 2022, section 5.2 and Fig. 5. The spatial path of all variants is 32, 16, 8, 4, 1.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.init import fan_out_normal_
from phasebench.nn.complex.invariant import Division
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.pooling import LearnedPool2d
from phasebench.nn.complex.prototype import Factor, InvariantPrototypeDistance, PrototypeDistance
from phasebench.nn.complex.real_planes import RealPlanes


def _convolutions(in_channels: int) -> list[ComplexConv2d]:
    """The four complex convolutions that Type-I and Type-E share, with the study's initialisation."""
    return [
        fan_out_normal_(ComplexConv2d(in_channels, 16, 3, stride=2, padding=1), 16),
        fan_out_normal_(ComplexConv2d(16, 32, 3, stride=2, padding=1, groups=2), 16),
        fan_out_normal_(ComplexConv2d(32, 64, 3, stride=2, padding=1, groups=4), 16),
        fan_out_normal_(ComplexConv2d(64, 128, 1, groups=4), 128),
    ]


class TypeI(nn.Module):
    """CDS Type-I: a division layer makes the features invariant to complex scaling early (24,241 parameters).

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input; the published count has two.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.dense = _convolutions(in_channels)
        self.pool = LearnedPool2d(64, 4)
        self.division = Division(16, 3, padding=1, single_filter=True)
        fan_out_normal_(self.division.filter, 1)
        self.activation1 = GTReLU(16)
        self.activation2 = GTReLU(32)
        self.activation3 = GTReLU(64)
        self.norm = nn.BatchNorm1d(256)
        self.head = PrototypeDistance(128, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        # Equal to activation1(division(conv1(images))), with less work on the largest maps.
        maps = self.division.after(self.conv1, as_planes(images), self.activation1.scale)
        maps = self.activation1.threshold_phase(maps)
        maps = self.activation2.after(self.conv2, maps)
        maps = self.activation3.after(self.conv3, maps)
        features = self.dense(self.pool(maps)).flatten(2)
        logits: Tensor = self.head(self.norm(features.flatten(1)).unflatten(1, (2, -1)))
        return logits


class TypeE(nn.Module):
    """CDS Type-E: equivariant layers keep the phase until the invariant prototype head (23,697 parameters).

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input; the published count has two.
    prototype_factor : {"root", "mean"}
        Factor of the prototypes, see :class:`InvariantPrototypeDistance`.
    """

    def __init__(self, n_classes: int, in_channels: int = 2, prototype_factor: Factor = "root") -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.dense = _convolutions(in_channels)
        self.pool = LearnedPool2d(64, 4)
        self.activation1 = EquivariantGTReLU(16)
        self.activation2 = EquivariantGTReLU(32)
        self.activation3 = EquivariantGTReLU(64)
        self.norm = EquivariantBatchNorm2d(128)
        self.head = InvariantPrototypeDistance(128, n_classes, prototype_factor)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = self.activation1.after(self.conv1, as_planes(images))
        maps = self.activation2.after(self.conv2, maps)
        maps = self.activation3.after(self.conv3, maps)
        logits: Tensor = self.head(self.norm(self.dense(self.pool(maps))).flatten(2))
        return logits


class Real(nn.Module):
    """The real-valued baseline on the planes that are not identically zero (34,282 parameters with three).

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads, as indices into the flattened ``(2C, 32, 32)``.
    """

    def __init__(self, n_classes: int, planes: Sequence[int] = (0, 1, 2)) -> None:
        super().__init__()
        self.planes = RealPlanes(planes)
        self.features = nn.Sequential(
            nn.Conv2d(len(planes), 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 4, groups=64),
            nn.Flatten(),
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        logits: Tensor = self.features(self.planes(images))
        return logits
