"""Magnitude and learned pooling against pooling in native complex arithmetic."""

import torch
from support.complex_maps import SCALE, close, complex_normal, gradients_of_sum
from torch.nn import functional

from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.pooling import LearnedPool2d, MagnitudeMaxPool2d


def test_learned_pool_is_a_depthwise_convolution() -> None:
    pool = LearnedPool2d(5, 4).double()
    maps = complex_normal(3, 5, 4, 4).requires_grad_()
    kernel = torch.complex(*pool.weight)[:, None]
    ours, theirs = as_complex(pool(as_planes(maps))), functional.conv2d(maps, kernel, groups=5)
    assert ours.shape == (3, 5, 1, 1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    cotangent = complex_normal(*theirs.shape, seed=1)
    for mine, reference in zip(
        torch.autograd.grad(ours, [maps, pool.weight], cotangent),
        torch.autograd.grad(theirs, [maps, pool.weight], cotangent),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)


def test_magnitude_pool_picks_the_largest_modulus() -> None:
    maps = complex_normal(2, 3, 7, 6)
    pool = MagnitudeMaxPool2d(2)
    pooled = as_complex(pool(as_planes(maps)))
    assert pooled.shape == (2, 3, 3, 3)
    assert torch.equal(pooled.abs(), functional.max_pool2d(maps.abs(), 2))
    windows = maps[..., :6, :].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert (windows == pooled.unsqueeze(-1)).any(dim=-1).all()
    close(as_complex(pool(as_planes(SCALE * maps))), SCALE * pooled)


def test_magnitude_pool_sends_the_gradient_to_the_picked_pixel() -> None:
    planes = torch.tensor([[3.0, 1.0], [0.0, 2.0]]).expand(1, 2, 1, 2, 2).clone().requires_grad_()
    gradient = gradients_of_sum(MagnitudeMaxPool2d(2)(planes), planes)
    assert gradient.tolist() == 2 * [1.0, 0.0, 0.0, 0.0]
