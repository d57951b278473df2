"""Networks for 128x128 radar chips (Singhal, Xing and Yu 2022, section 5.1 and Table 2)."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.invariant import Conjugate, Division
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import to_polar
from phasebench.nn.complex.pooling import MagnitudeMaxPool2d
from phasebench.nn.complex.real_planes import RealPlanes

LOG_OFFSET = 1e-5
Order = Literal["code", "text"]


def _bottleneck(in_channels: int, width: int, out_channels: int) -> nn.Sequential:
    """The residual branch: 1x1, 3x3, 1x1, each after group normalisation and ReLU."""
    return nn.Sequential(
        nn.GroupNorm(5, in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, width, 1, bias=False),
        nn.GroupNorm(5, width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.GroupNorm(5, width),
        nn.ReLU(),
        nn.Conv2d(width, out_channels, 1, bias=False),
    )


class RealTail(nn.Module):
    """The real residual network behind the complex stages; 28,335 parameters for 15 channels in 5 groups.

    Parameters
    ----------
    in_channels : int
        Real channels in.
    n_classes : int
        Logits.
    groups : tuple of three int
        Groups of the three spatial convolutions.
    """

    def __init__(self, in_channels: int, n_classes: int, groups: tuple[int, int, int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, 30, 5, groups=groups[0]), nn.GroupNorm(5, 30), nn.ReLU())
        self.shortcut1, self.branch1 = nn.Conv2d(30, 40, 1), _bottleneck(30, 10, 40)
        self.middle = nn.Sequential(
            nn.MaxPool2d(2),
            nn.Conv2d(40, 50, 5, stride=3, groups=groups[1]),
            nn.GroupNorm(10, 50),
            nn.ReLU(),
        )
        self.shortcut2, self.branch2 = nn.Conv2d(50, 60, 1), _bottleneck(50, 15, 60)
        self.last = nn.Sequential(nn.Conv2d(60, 70, 2, groups=groups[2]), nn.GroupNorm(14, 70), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(70, 30), nn.ReLU(), nn.Linear(30, n_classes))

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to logits ``(N, K)``."""
        maps = self.stem(maps)
        maps = self.middle(self.shortcut1(maps) + self.branch1(maps))
        maps = self.last(self.shortcut2(maps) + self.branch2(maps))
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits


class CoDomainSymmetric(nn.Module):
    """CDS on MSTAR: a small complex stage, invariant to phase, before a real network.

    29,505 parameters with ten logits; the published 29,536 has eleven. In the text's order there are 29,050.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the input.
    invariant : {"conjugate", "division"}
        Which layer removes the phase. Their parameter counts are equal. In the text's order it is the division.
    order : {"code", "text"}
        Order and kinds of the complex layers. "code": convolution, invariant layer, GTReLU, pooling, and a second
        convolution with GTReLU, as in the public code. "text": convolution, equivariant GTReLU, pooling, division, as
        section 5.1 lists them.

    Raises
    ------
    PhasebenchError
        There is no such order, or the text's is asked for with another layer than the division.
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 1,
        invariant: Literal["conjugate", "division"] = "conjugate",
        order: Order = "code",
    ) -> None:
        if order not in get_args(Order):
            raise PhasebenchError(f"order '{order}' of the layers is none of {', '.join(get_args(Order))}")
        if order == "text" and invariant != "division":
            raise PhasebenchError("order 'text' of the layers has a division; give 'invariant: division' too")
        super().__init__()
        self.conv1 = ComplexConv2d(in_channels, 5, 5)
        self.invariant = Conjugate(5, 3) if invariant == "conjugate" else Division(5, 3)
        self.pool = MagnitudeMaxPool2d(2)
        self.order = order
        self.activation1: GTReLU | EquivariantGTReLU
        if order == "text":
            self.activation1 = EquivariantGTReLU(5)
        else:
            self.activation1 = GTReLU(5, learn_phase_factor=False)
            self.conv2 = ComplexConv2d(5, 5, 3, stride=2)
            self.activation2 = GTReLU(5, learn_phase_factor=False)
        self.tail = RealTail(15, n_classes, (5, 5, 5))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, 1, H, W)`` planes, or complex ``(N, 1, H, W)``, to logits ``(N, K)``."""
        planes = as_planes(images)
        if self.order == "text":
            maps = self.invariant(self.pool(self.activation1.after(self.conv1, planes)))
        else:
            maps = self.pool(self.activation1(self.invariant(self.conv1(planes))))
            maps = self.activation2.after(self.conv2, maps)
        # Component-major: all logarithms, then all cosines, then all sines.
        logits: Tensor = self.tail(to_polar(maps, LOG_OFFSET).flatten(1, 2))
        return logits


class Real(nn.Module):
    """The real baseline: the residual network on real and imaginary part (32,625 parameters).

    The study prints 33,050 and no layer list; no natural layout gives that number.

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads; radar chips have two.
    """

    def __init__(self, n_classes: int, planes: Sequence[int] = (0, 1)) -> None:
        super().__init__()
        self.planes = RealPlanes(planes)
        self.tail = RealTail(len(planes), n_classes, (1, 5, 2))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, 1, H, W)`` planes, or complex ``(N, 1, H, W)``, to logits ``(N, K)``."""
        logits: Tensor = self.tail(self.planes(images))
        return logits
