"""Residual networks with a second normalisation in some modules (Cakaj, Mehnert and Yang 2023, section IV)."""

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.nn.spectral.insertion import Insertion, batch_norms, insert

Stem = Literal["cifar", "imagenet"]
WIDTH = 64
"""Channels of the first module in the study's networks."""
BLOCKS: dict[int, tuple[type[nn.Module], list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
}


class ResNet(TorchvisionResNet):  # type: ignore[misc]
    """ResNet18, 34 or 50; parameters have the names of torchvision's networks.

    Convolutions and the linear layer start from PyTorch's default, Kaiming-uniform (section IV-A).

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads, as indices into the flattened ``(2C, H, W)``.
    depth : int
        18, 34 or 50. The bottleneck blocks of 50 take their stride in the 3x3 convolution.
    stem : "cifar" or "imagenet"
        A 3x3 convolution that keeps the size, for 32x32 images, or a 7x7 one with stride 2 and pooling.
    width : int
        Channels of the first module, before the expansion of bottleneck blocks; each further module has twice as many.
        64 in the study.
    insertion : str
        Such as "SBN34" or "2BN4"; nothing if empty.
    **options
        Further fields of :class:`Insertion`.

    Raises
    ------
    PhasebenchError
        There is no such depth, stem or module, or the width is not above zero.

    Attributes
    ----------
    module_ends : dict of int to str
        Number of a module -> name of the last normalisation of its last block, before the residual is added; with an
        insertion, a sequence of both normalisations has that name.
    """

    def __init__(
        self,
        n_classes: int,
        planes: Sequence[int] = (0, 1, 2),
        depth: int = 18,
        stem: Stem = "cifar",
        width: int = WIDTH,
        insertion: str = "",
        **options: Any,
    ) -> None:
        if depth not in BLOCKS:
            raise PhasebenchError(f"there is no ResNet{depth}; known depths: {', '.join(map(str, BLOCKS))}")
        if width < 1:
            raise PhasebenchError(f"width {width} of a ResNet is not above zero")
        # Set before the modules are made, of which torchvision's constructor fixes the channels.
        self._width = width
        super().__init__(*BLOCKS[depth], num_classes=n_classes)
        if width != WIDTH:
            self.bn1 = nn.BatchNorm2d(width)
            self.fc = nn.Linear(self.inplanes, n_classes)
        self.planes = RealPlanes(planes)
        if stem == "cifar":
            self.conv1 = nn.Conv2d(len(planes), width, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        elif stem == "imagenet":
            self.conv1 = nn.Conv2d(len(planes), width, 7, stride=2, padding=3, bias=False)
        else:
            raise PhasebenchError(f"stem '{stem}' is neither 'cifar' nor 'imagenet'")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
        self.module_ends = {number: _main_norms(self, number)[-1] for number in range(1, 5)}
        self._insert(Insertion(insertion, **options))

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False) -> nn.Sequential:
        """Make a module as torchvision does, of the width asked for."""
        if planes == WIDTH:
            # The first one reads the stem.
            self.inplanes = self._width
        layers: nn.Sequential = super()._make_layer(block, planes * self._width // WIDTH, blocks, stride, dilate)
        return layers

    def _insert(self, insertion: Insertion) -> None:
        for number in sorted(insertion.modules):
            if number > 4:
                raise PhasebenchError(f"insertion '{insertion.notation}': a ResNet has the modules 1 to 4")
            names = batch_norms(self.get_submodule(f"layer{number}"), f"layer{number}")
            insert(self, names if insertion.shortcut else _main_norms(self, number), insertion)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``."""
        logits: Tensor = super().forward(self.planes(images))
        return logits


def _main_norms(network: nn.Module, number: int) -> list[str]:
    """Names of a module's batch normalisations, those of projection shortcuts left out."""
    names = batch_norms(network.get_submodule(f"layer{number}"), f"layer{number}")
    return [name for name in names if "downsample" not in name]
