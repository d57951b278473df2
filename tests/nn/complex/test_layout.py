"""Planes and native complex tensors."""

import pytest
import torch
from support.complex_maps import complex_normal

from phasebench.nn.complex.layout import as_complex, as_planes


def test_planes_hold_the_real_and_the_imaginary_part_and_come_back() -> None:
    maps = complex_normal(2, 3, 4, 5)
    planes = as_planes(maps)
    assert torch.equal(planes[:, 0], maps.real)
    assert torch.equal(planes[:, 1], maps.imag)
    assert as_planes(planes) is planes
    assert torch.equal(as_complex(planes), maps)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 1, 4, 4)])
def test_planes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected complex maps .* got torch.float32 of shape"):
        as_planes(torch.zeros(shape))
