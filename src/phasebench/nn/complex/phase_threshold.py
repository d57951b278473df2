"""The phase threshold of GTReLU with a backward written by hand.

Autograd through ``atan2``, ``cos`` and ``sin`` keeps a dozen maps and walks each several times. The gradients need no
trigonometry: with the output ``o`` and its gradient ``G``, ``Re(o* G)`` is the gradient with respect to the logarithm
of the modulus and ``Im(o* G)`` that with respect to the phase, both at once for every pixel.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from phasebench.nn.complex.norm import MODULUS_OFFSET

# Squared moduli below this count as this in a division: gradients stay finite, and zero where the map is zero.
SMALLEST_SQUARE = 1e-24


def phase_threshold(planes: Tensor, factor: Tensor | None = None, threshold: float = 0.0) -> Tensor:
    """``max(r, |y|) exp(i w angle(y)+)``.

    Parameters
    ----------
    planes : Tensor
        ``y``, shape ``(N, 2, C, H, W)``.
    factor : Tensor, optional
        ``w``, shape ``(C,)``; 1 if not given.
    threshold : float
        ``r``, at least 0.

    Returns
    -------
    Tensor
        Shape ``(N, 2, C, H, W)``. A zero has phase zero and passes no gradient.
    """
    result: Tensor = _PhaseThreshold.apply(planes, factor, threshold)
    return result


def equivariant_phase_threshold(planes: Tensor, factor: Tensor) -> Tensor:
    """``(|f| + 1e-6) exp(i w angle(f m*)+) m`` with ``m`` the channel mean of ``f`` at unit modulus.

    Parameters
    ----------
    planes : Tensor
        ``f``, shape ``(N, 2, C, H, W)``.
    factor : Tensor
        ``w``, shape ``(C,)``, not negative.

    Returns
    -------
    Tensor
        Shape ``(N, 2, C, H, W)``.
    """
    result: Tensor = _EquivariantPhaseThreshold.apply(planes, factor)
    return result


def _per_channel(values: Tensor) -> Tensor:
    return values[None, :, None, None]


def _times(re: Tensor, im: Tensor, other_re: Tensor, other_im: Tensor) -> tuple[Tensor, Tensor]:
    """Complex product, two passes for each part."""
    return (
        (re * other_re).addcmul_(im, other_im, value=-1.0),
        (re * other_im).addcmul_(im, other_re),
    )


def _squared_modulus(re: Tensor, im: Tensor) -> Tensor:
    return (re * re).addcmul_(im, im)


def _gradients_in_log_polar(output: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the logarithm of the output's modulus and to its phase."""
    out_re, out_im = output.unbind(1)
    grad_re, grad_im = gradient.unbind(1)
    return (
        (grad_re * out_re).addcmul_(grad_im, out_im),
        (grad_im * out_re).addcmul_(grad_re, out_im, value=-1.0),
    )


def _zero_where_negative(values: Tensor, sign: Tensor) -> Tensor:
    """In place. Multiplying by a mask is several times faster on a CPU than ``where`` or ``masked_fill``."""
    return values.mul_((sign >= 0.0).to(values.dtype))


class _PhaseThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, factor: Tensor | None, threshold: float) -> Tensor:
        re, im = planes.unbind(1)
        modulus = _squared_modulus(re, im).sqrt_()
        kept_phase: Tensor | None = None
        if factor is None and threshold == 0.0:
            # The phase is kept exactly where the imaginary part is not negative: no angle is needed.
            negative = (im < 0.0).to(re.dtype)
            output = torch.stack(((modulus - re).mul_(negative).add_(re), im.clamp(min=0.0)), dim=1)
        else:
            radius = modulus.clamp_(min=threshold) if threshold > 0.0 else modulus
            kept_phase = torch.atan2(im, re).clamp_(min=0.0)
            turned = kept_phase if factor is None else kept_phase * _per_channel(factor)
            output = torch.stack((turned.cos().mul_(radius), turned.sin().mul_(radius)), dim=1)
        ctx.save_for_backward(planes, factor, output, kept_phase)
        ctx.threshold = threshold
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        planes, factor, output, kept_phase = ctx.saved_tensors
        re, im = planes.unbind(1)
        radial, angular = _gradients_in_log_polar(output, gradient)
        grad_factor = None
        if factor is not None:
            grad_factor = (kept_phase * angular).sum(dim=(0, 2, 3))
            angular = angular.mul_(_per_channel(factor))
        angular = _zero_where_negative(angular, im)
        squared = _squared_modulus(re, im)
        if ctx.threshold > 0.0:
            radial = _zero_where_negative(radial, squared - ctx.threshold**2)
        inverse = squared.clamp_(min=SMALLEST_SQUARE).reciprocal_()
        grad_planes = torch.stack(_times(radial.mul_(inverse), angular.mul_(inverse), re, im), dim=1)
        return grad_planes, grad_factor, None


class _EquivariantPhaseThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, factor: Tensor) -> Tensor:
        re, im = planes.unbind(1)
        mean_re, mean_im = re.mean(dim=1, keepdim=True), im.mean(dim=1, keepdim=True)
        offset_modulus = _squared_modulus(mean_re, mean_im).sqrt_().add_(MODULUS_OFFSET)
        unit_re, unit_im = mean_re / offset_modulus, mean_im / offset_modulus
        relative_re, relative_im = _times(re, im, unit_re, -unit_im)
        kept_phase = torch.atan2(relative_im, relative_re).clamp_(min=0.0)
        radius = _squared_modulus(re, im).sqrt_().add_(MODULUS_OFFSET)
        turned = kept_phase * _per_channel(factor)
        turned_re, turned_im = turned.cos().mul_(radius), turned.sin().mul_(radius)
        output = torch.stack(_times(turned_re, turned_im, unit_re, unit_im), dim=1)
        ctx.save_for_backward(planes, factor, output, kept_phase, relative_im, mean_re, mean_im)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        planes, factor, output, kept_phase, relative_im, mean_re, mean_im = ctx.saved_tensors
        re, im = planes.unbind(1)
        radial, total_angular = _gradients_in_log_polar(output, gradient)
        grad_factor = (kept_phase * total_angular).sum(dim=(0, 2, 3))
        angular = _zero_where_negative(total_angular * _per_channel(factor), relative_im)

        # The mean's phase turns every output and, through the relative phase, turns the thresholded part back.
        mean_angular = total_angular.sub_(angular).sum(dim=1, keepdim=True)
        mean_squared = _squared_modulus(mean_re, mean_im)
        mean_radial = radial.sum(dim=1, keepdim=True) * (MODULUS_OFFSET / (mean_squared.sqrt() + MODULUS_OFFSET))
        share = (mean_squared.clamp_(min=SMALLEST_SQUARE) * re.shape[1]).reciprocal_()
        mean_grad_re, mean_grad_im = _times(mean_radial * share, mean_angular * share, mean_re, mean_im)

        # The offset belongs to the modulus of the output but not to that of the input: |f| / (|f| + offset).
        squared = _squared_modulus(re, im).clamp_(min=SMALLEST_SQUARE)
        modulus = squared.sqrt()
        radial = radial.div_((modulus + MODULUS_OFFSET).mul_(modulus))
        grad_re, grad_im = _times(radial, angular.div_(squared), re, im)
        return torch.stack((grad_re.add_(mean_grad_re), grad_im.add_(mean_grad_im)), dim=1), grad_factor
