"""Products of planes against native complex products."""

import torch
from support.complex_maps import close, complex_normal

from phasebench.nn.complex.arithmetic import multiply, multiply_conjugate, scale_channels
from phasebench.nn.complex.layout import as_complex, as_planes, rotate


def test_arithmetic_equals_native_complex_products() -> None:
    left, right, scale = complex_normal(2, 3, 4, 4), complex_normal(2, 1, 4, 4, seed=1), complex_normal(3, seed=2)
    close(as_complex(multiply(as_planes(left), as_planes(right))), left * right)
    close(as_complex(multiply_conjugate(as_planes(left), as_planes(right))), left * right.conj())
    parts = torch.stack((scale.real, scale.imag))
    close(as_complex(scale_channels(as_planes(left), parts)), left * scale[:, None, None])
    angle = torch.tensor([0.3, -2.0], dtype=torch.float64)
    turned = left * torch.polar(torch.ones_like(angle), angle)[:, None, None, None]
    close(as_complex(rotate(as_planes(left), angle)), turned)
