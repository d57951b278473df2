"""SurReal, which reads complex images as points on a manifold (Chakraborty, Xing and Yu 2020).

The complex stages are weighted Fréchet means and G-transports and have no other non-linearity; a distance transform
makes them real and invariant to complex scaling. Two networks serve as baselines of Singhal, Xing and Yu 2022.
Invariance ends where an input is exactly zero: zero has no phase and is not turned.
"""

from torch import Tensor, nn

from phasebench.nn.complex.distance_transform import GlobalDistanceTransform
from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.group_transport import GTransport
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import to_polar

CHIP_SIZE = 100


class CifarSurReal(nn.Module):
    """SurReal for 32x32 images (35,274 parameters); the spatial path is CIFARnet's, 32, 16, 8, 4, 1.

    The study prints the count and no layer list; this layout meets it.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the 32x32 input; the published count has two.
    """

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        self.mean1 = WeightedFrechetMean2d(in_channels, 16, 3, stride=2, padding=1)
        self.mean2 = WeightedFrechetMean2d(16, 32, 3, stride=2, padding=1)
        self.mean3 = WeightedFrechetMean2d(32, 64, 3, stride=2, padding=1)
        self.transport1, self.transport2, self.transport3 = GTransport(16), GTransport(32), GTransport(64)
        self.distance = GlobalDistanceTransform(64, 4, 4)
        self.tail = nn.Sequential(
            nn.Conv2d(64, 64, 4, groups=64),
            nn.Flatten(),
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = self.transport1.after(self.mean1, to_polar(as_planes(images)))
        maps = self.transport2.after(self.mean2, maps)
        maps = self.transport3.after(self.mean3, maps)
        logits: Tensor = self.tail(self.distance(maps))
        return logits


class MstarSurReal(nn.Module):
    """SurReal for radar chips (65,905 parameters with ten logits).

    The study prints 63,690 and no layer list; no natural layout gives that number. This is the layout that the
    authors of SurReal made public, without its residual branch. It reads 100x100 pixels, the centre of larger chips.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the input.
    """

    def __init__(self, n_classes: int, in_channels: int = 1) -> None:
        super().__init__()
        self.mean1 = WeightedFrechetMean2d(in_channels, 20, 5, stride=2, separable=True)
        self.mean2 = WeightedFrechetMean2d(20, 20, 5, stride=2, separable=True)
        self.transport1, self.transport2 = GTransport(20), GTransport(20)
        self.distance = GlobalDistanceTransform(20, 22, 22)
        self.tail = nn.Sequential(
            nn.Conv2d(20, 30, 5),
            nn.BatchNorm2d(30),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(30, 40, 5, stride=3),
            nn.BatchNorm2d(40),
            nn.ReLU(),
            nn.Conv2d(40, 50, 2),
            nn.BatchNorm2d(50),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(50, 30),
            nn.ReLU(),
            nn.Linear(30, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, 1, H, W)`` planes, or complex ``(N, 1, H, W)``, to logits ``(N, K)``; at least 100x100."""
        maps = self.transport1.after(self.mean1, to_polar(_centre(as_planes(images))))
        maps = self.transport2.after(self.mean2, maps)
        logits: Tensor = self.tail(self.distance(maps))
        return logits


def _centre(planes: Tensor) -> Tensor:
    height, width = planes.shape[-2:]
    if min(height, width) < CHIP_SIZE:
        raise ValueError(f"expected chips of at least {CHIP_SIZE}x{CHIP_SIZE} pixels, got {height}x{width}")
    top, left = (height - CHIP_SIZE) // 2, (width - CHIP_SIZE) // 2
    return planes[..., top : top + CHIP_SIZE, left : left + CHIP_SIZE]
