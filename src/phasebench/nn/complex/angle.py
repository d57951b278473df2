"""The phase of complex numbers, with the phase of zero fixed."""

import math

import torch
from torch import Tensor


def phase(re: Tensor, im: Tensor) -> Tensor:
    """Principal value of the phase, in (-pi, pi]; the sign of a zero part does not matter.

    ``atan2`` gives 0, pi or -pi on the real axis, depending on the signs of zeros, and these depend on the processor: a
    Fourier transform of silence holds +0.0 on one and -0.0 on another. Here zero has phase 0, and every negative number
    has phase pi.

    Parameters
    ----------
    re, im : real Tensor
        Real and imaginary parts, of one shape.

    Returns
    -------
    Tensor
        Radians, of the same shape and dtype. It is not meant for autograd.
    """
    if not torch.compiler.is_compiling():
        # A sum with zero drops the sign of a zero, in two passes instead of five.
        return (im + 0.0).atan2_(re + 0.0)
    # A compiler may remove that sum, as an identity.
    on_real_axis = (re < 0.0).to(re.dtype) * math.pi
    return torch.where(im == 0.0, on_real_axis, torch.atan2(im, re))


def circular_phase(planes: Tensor) -> Tensor:
    """Phase of the sum of planes ``(N, 2, C, H, W)``, where large moduli count more; radians ``(N,)``."""
    re, im = planes.flatten(2).sum(dim=2).unbind(1)
    return phase(re, im)
