"""A network with parameters looked up by name, and the layers that torch has for complex and for real maps alike."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class NativeModel(nn.Module):
    """A network with the parameters of a model of the package; ``forward`` writes it out.

    It is the network in training mode: batch normalisation uses the statistics of the batch, and none are kept.

    Parameters
    ----------
    reference : Module
        The package's model, whose parameters are copied.
    """

    def __init__(self, reference: nn.Module) -> None:
        super().__init__()
        # Complex ones stay pairs of reals along the first axis, which the fused optimiser accepts. A key has no dots.
        self.values = nn.ParameterDict(
            {name.replace(".", "/"): value.detach().clone() for name, value in reference.named_parameters()}
        )

    def real(self, name: str) -> Tensor:
        """A parameter as it is held."""
        value: Tensor = self.values[name.replace(".", "/")]
        return value

    def complex(self, name: str) -> Tensor:
        """A parameter ``(2, ...)`` as native complex tensor ``(...)``."""
        return torch.complex(*self.real(name))

    def convolve(self, name: str, maps: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
        """Convolution of complex or real maps ``(N, C, H, W)``, with a bias if the reference has one."""
        read = self.complex if maps.is_complex() else self.real
        bias = read(f"{name}.bias") if f"{name}.bias".replace(".", "/") in self.values else None
        return functional.conv2d(maps, read(f"{name}.weight"), bias, stride, padding, 1, groups)

    def dense(self, name: str, features: Tensor) -> Tensor:
        """Real dense layer with bias."""
        return functional.linear(features, self.real(f"{name}.weight"), self.real(f"{name}.bias"))

    def normalize_batch(self, name: str, maps: Tensor, eps: float = 1e-5) -> Tensor:
        """Real batch normalisation."""
        weight, bias = self.real(f"{name}.weight"), self.real(f"{name}.bias")
        return functional.batch_norm(maps, None, None, weight, bias, training=True, eps=eps)

    def normalize_groups(self, name: str, maps: Tensor, groups: int) -> Tensor:
        """Real group normalisation."""
        return functional.group_norm(maps, groups, self.real(f"{name}.weight"), self.real(f"{name}.bias"))
