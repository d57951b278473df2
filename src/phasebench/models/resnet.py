"""Residual networks with a second normalisation in some modules (Cakaj, Mehnert and Yang 2023, section IV)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.nn.spectral.insertion import Insertion, batch_norms, insert

Stem = Literal["cifar", "imagenet"]
Init = Literal["torch", "he"]


class Block(nn.Module):
    """A residual block: convolutions with batch normalisations, added to its input or to a projection of that.

    Its parts have the names of torchvision's blocks, which take a second to import.

    Parameters
    ----------
    in_channels, channels : int
        Maps at the door, and of the block's inner convolutions.
    stride : int
        Of the first 3x3 convolution and of the projection.
    """

    expansion: int
    """Maps that leave the block, as a multiple of its channels."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self._add_convolutions(in_channels, channels, stride)
        self.relu = nn.ReLU(inplace=True)
        out_channels = self.expansion * channels
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def _add_convolutions(self, in_channels: int, channels: int, stride: int) -> None:
        raise NotImplementedError

    def residual(self, maps: Tensor) -> Tensor:
        """Maps that are added to the shortcut, from maps ``(N, C, H, W)``."""
        raise NotImplementedError

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, expansion * channels, H / stride, W / stride)``."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        activated: Tensor = self.relu(self.residual(maps).add_(shortcut))
        return activated


class BasicBlock(Block):
    """Two 3x3 convolutions."""

    expansion = 1

    def _add_convolutions(self, in_channels: int, channels: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def residual(self, maps: Tensor) -> Tensor:
        """Maps that are added to the shortcut, from maps ``(N, C, H, W)``."""
        inner = self.relu(self.bn1(self.conv1(maps)))
        added: Tensor = self.bn2(self.conv2(inner))
        return added


class Bottleneck(Block):
    """A 1x1 convolution to fewer maps, a 3x3 one on these, and a 1x1 one to four times as many."""

    expansion = 4

    def _add_convolutions(self, in_channels: int, channels: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, self.expansion * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * channels)

    def residual(self, maps: Tensor) -> Tensor:
        """Maps that are added to the shortcut, from maps ``(N, C, H, W)``."""
        inner = self.relu(self.bn1(self.conv1(maps)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        added: Tensor = self.bn3(self.conv3(inner))
        return added


BLOCKS: dict[int, tuple[type[Block], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
WIDTH = 64
"""Channels of the first module in the study's networks."""


class ResNet(nn.Module):
    """ResNet18, 34 or 50; parameters have the names and, for a seed, the values of torchvision's networks.

    Convolutions and the linear layer start from PyTorch's default, a Kaiming-uniform distribution (section IV-A).

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
        Channels of the stem and of the first module, before the expansion of bottleneck blocks; each further module has
        twice as many. 64 in the study.
    init : "torch" or "he"
        Kaiming-uniform kernels as PyTorch draws them, of variance ``1 / (3 fan-in)``, or by He's rule, ``2 / fan-in``.
        The linear layer starts from PyTorch's in either case.
    insertion : str
        Such as "SBN34" or "2BN4"; nothing if empty.
    **options
        Further fields of :class:`Insertion`.

    Raises
    ------
    PhasebenchError
        There is no such depth, stem, init or module, or the width is not above zero.

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
        init: Init = "torch",
        insertion: str = "",
        **options: Any,
    ) -> None:
        if depth not in BLOCKS:
            raise PhasebenchError(f"there is no ResNet{depth}; known depths: {', '.join(map(str, BLOCKS))}")
        if stem not in get_args(Stem):
            raise PhasebenchError(f"stem '{stem}' is neither 'cifar' nor 'imagenet'")
        if init not in get_args(Init):
            raise PhasebenchError(f"init '{init}' is neither 'torch' nor 'he'")
        if width < 1:
            raise PhasebenchError(f"width {width} of a ResNet is not above zero")
        super().__init__()
        block, lengths = BLOCKS[depth]
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        self.layer1 = _module(block, width, width, lengths[0], stride=1)
        self.layer2 = _module(block, width * block.expansion, 2 * width, lengths[1], stride=2)
        self.layer3 = _module(block, 2 * width * block.expansion, 4 * width, lengths[2], stride=2)
        self.layer4 = _module(block, 4 * width * block.expansion, 8 * width, lengths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width * block.expansion, n_classes)
        self.planes = RealPlanes(planes)
        self._initialise(len(planes), stem, init)
        self.module_ends = {number: _main_norms(self, number)[-1] for number in range(1, 5)}
        self._insert(Insertion(insertion, **options))

    def _initialise(self, in_channels: int, stem: Stem, init: Init) -> None:
        """Put the stem in, and draw the kernels."""
        # Overwritten below; torchvision draws these first, and the same numbers have to follow from a seed.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        size, stride = (3, 1) if stem == "cifar" else (7, 2)
        self.conv1 = nn.Conv2d(in_channels, self.bn1.num_features, size, stride, padding=size // 2, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
                if init == "he":
                    nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")

    def _insert(self, insertion: Insertion) -> None:
        for number in sorted(insertion.modules):
            if number > 4:
                raise PhasebenchError(f"insertion '{insertion.notation}': a ResNet has the modules 1 to 4")
            names = batch_norms(self.get_submodule(f"layer{number}"), f"layer{number}")
            insert(self, names if insertion.shortcut else _main_norms(self, number), insertion.in_module(number))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(self.planes(images)))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        logits: Tensor = self.fc(self.avgpool(maps).flatten(1))
        return logits


def _module(block: type[Block], in_channels: int, channels: int, length: int, stride: int) -> nn.Sequential:
    """Blocks in a row, the first of which has the stride."""
    first = block(in_channels, channels, stride)
    return nn.Sequential(first, *(block(block.expansion * channels, channels, 1) for _ in range(length - 1)))


def _main_norms(network: nn.Module, number: int) -> list[str]:
    """Names of a module's batch normalisations, those of projection shortcuts left out."""
    names = batch_norms(network.get_submodule(f"layer{number}"), f"layer{number}")
    return [name for name in names if "downsample" not in name]
