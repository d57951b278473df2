"""VGG networks with a second normalisation in some modules (Cakaj, Mehnert and Yang 2023, section IV)."""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Literal

from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.nn.spectral.insertion import Insertion, insert

Head = Literal["narrow", "wide"]
WIDTHS = (64, 128, 256, 512, 512)
"""Maps of the convolutions in each module."""
MODULES = len(WIDTHS)
CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Depth -> convolutions in each module."""


class Vgg(nn.Module):
    """VGG16-BN or VGG19-BN for 32x32 images; the convolutions have the names of torchvision's networks.

    The five modules end with a pooling each; their maps have 32, 16, 8, 4 and 2 pixels a side. Linear layers start
    from PyTorch's default, Kaiming-uniform; convolutions from a normal distribution of the variance ``2 / n``, n being
    kernel size times output channels. Section IV-A prints that as the standard deviation, which would let the maps of
    16 layers fade.

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads, as indices into the flattened ``(2C, H, W)``.
    depth : int
        16 or 19.
    head : "narrow" or "wide"
        Width of the two hidden linear layers: 512 or 4096. The study does not say.
    insertion : str
        Such as "SBN4" or "2BN34"; nothing if empty.
    **options
        Further fields of :class:`Insertion`.

    Raises
    ------
    PhasebenchError
        There is no such depth, head or module.

    Attributes
    ----------
    module_ends : dict of int to str
        Number of a module -> name of its last normalisation; with an insertion, a sequence of both has that name.
    """

    def __init__(
        self,
        n_classes: int,
        planes: Sequence[int] = (0, 1, 2),
        depth: int = 16,
        head: Head = "narrow",
        insertion: str = "",
        **options: Any,
    ) -> None:
        if depth not in CONVOLUTIONS:
            raise PhasebenchError(f"there is no VGG{depth}; known depths: {', '.join(map(str, CONVOLUTIONS))}")
        if head not in ("narrow", "wide"):
            raise PhasebenchError(f"head '{head}' is neither 'narrow' nor 'wide'")
        super().__init__()
        self.planes = RealPlanes(planes)
        self.features = _features(CONVOLUTIONS[depth])
        self.features[0] = nn.Conv2d(len(planes), 64, 3, padding=1)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=sqrt(2 / (9 * module.out_channels)))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = _narrow_head(n_classes) if head == "narrow" else _wide_head(n_classes)
        self._insert(Insertion(insertion, **options))

    def _insert(self, insertion: Insertion) -> None:
        if any(number > MODULES for number in insertion.modules):
            raise PhasebenchError(f"insertion '{insertion.notation}': a VGG has the modules 1 to {MODULES}")
        names = self._norms()
        self.module_ends = {number: of_module[-1] for number, of_module in names.items()}
        for number in sorted(insertion.modules):
            insert(self, names[number], insertion.in_module(number))

    def _norms(self) -> dict[int, list[str]]:
        """Names of the batch normalisations of each module."""
        names: dict[int, list[str]] = {number: [] for number in range(1, MODULES + 1)}
        number = 1
        for position, module in enumerate(self.features):
            if isinstance(module, nn.MaxPool2d):
                number += 1
            elif isinstance(module, nn.BatchNorm2d):
                names[number].append(f"features.{position}")
        return names

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, 32, 32)`` planes, or complex ``(N, C, 32, 32)``, to logits ``(N, K)``."""
        maps = self.features(self.planes(images))
        logits: Tensor = self.classifier(self.pool(maps).flatten(1))
        return logits


def _features(lengths: Sequence[int]) -> nn.Sequential:
    """Modules of convolutions with batch normalisation, a pooling after each; the first reads three planes."""
    layers: list[nn.Module] = []
    in_channels = 3
    for width, length in zip(WIDTHS, lengths, strict=True):
        for _ in range(length):
            layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            in_channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _narrow_head(n_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(0.5),
        nn.Linear(512, 512),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(512, 512),
        nn.ReLU(inplace=True),
        nn.Linear(512, n_classes),
    )


def _wide_head(n_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, n_classes),
    )
