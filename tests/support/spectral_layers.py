"""Maps and spectral layers with random state for the tests of spectral batch normalisation."""

import torch
from torch import Tensor

from phasebench.nn.spectral.norm import Method, SpectralBatchNorm2d


def random_maps(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    # Row 0 has a mean of its own, so that the mean coefficient is complex and not small.
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3
    maps[:, :, 0] += torch.linspace(-1, 2, shape[-1], dtype=torch.float64)
    return maps.to(dtype)


def random_layer(channels: int, method: Method = "direct", **switches: bool) -> SpectralBatchNorm2d:
    layer = SpectralBatchNorm2d(channels, method=method, **switches).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(channels, generator=generator) + 1)
        layer.running_mean.copy_(torch.randn(2, channels, generator=generator))
        layer.running_var.copy_(torch.rand(layer.running_var.shape, generator=generator) + 0.5)
    return layer


def everything(layer: SpectralBatchNorm2d, maps: Tensor, *, training: bool) -> list[Tensor]:
    """Output, gradients and running statistics of one pass."""
    maps = maps.clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer.train(training)(maps)
    output.backward(random_maps(*maps.shape, seed=2))
    gradients = [tensor.grad for tensor in (maps, *layer.parameters()) if tensor.grad is not None]
    return [output.detach(), *gradients, layer.running_mean, layer.running_var]
