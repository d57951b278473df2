"""The phase threshold of GTReLU with a backward written by hand.

Autograd through ``atan2``, ``cos`` and ``sin`` keeps a dozen maps and walks each several times. The gradients need no
trigonometry: with the output ``o`` and its gradient ``G``, ``Re(o* G)`` is the gradient with respect to the logarithm
of the modulus and ``Im(o* G)`` that with respect to the phase, both at once for every pixel.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from phasebench.nn.complex.angle import phase
from phasebench.nn.complex.numerics import MODULUS_OFFSET, SMALLEST_SQUARE


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
    result: Tensor = _PhaseThreshold.apply(planes, factor, threshold)  # type: ignore[no-untyped-call]
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
    result: Tensor = _EquivariantPhaseThreshold.apply(planes, factor)  # type: ignore[no-untyped-call]
    return result


def _per_channel(values: Tensor) -> Tensor:
    return values[None, :, None, None]


def _sum_over_pixels(maps: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(C,)``; in two steps, as a compiler fuses the first with what makes the maps."""
    return maps.sum(dim=(2, 3)).sum(dim=0)


def _squared_modulus(planes: Tensor) -> Tensor:
    re, im = planes.unbind(1)
    return (re * re).addcmul_(im, im)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    """``radius exp(i angle)`` as planes."""
    if torch.compiler.is_compiling():
        return torch.stack((angle.cos() * radius, angle.sin() * radius), dim=1)
    # Eager code writes both parts in place: stacking would be one more pass over fresh memory.
    result = angle.new_empty(_with_parts(angle))
    re, im = result.unbind(1)
    torch.cos(angle, out=re).mul_(radius)
    torch.sin(angle, out=im).mul_(radius)
    return result


def _with_parts(maps: Tensor) -> tuple[int, ...]:
    return (maps.shape[0], 2, *maps.shape[1:])


def _gradients_in_log_polar(output: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the logarithm of the output's modulus and to its phase."""
    out_re, out_im = output.unbind(1)
    grad_re, grad_im = gradient.unbind(1)
    return (
        (grad_re * out_re).addcmul_(grad_im, out_im),
        (grad_im * out_re).addcmul_(grad_re, out_im, value=-1.0),
    )


def _pass_if_positive(gradient: Tensor, values: Tensor) -> Tensor:
    """The backward of ReLU: one pass, where a comparison and a product are three."""
    result: Tensor = torch.ops.aten.threshold_backward(gradient, values, 0.0)
    return result


def _times(re: Tensor, im: Tensor, other_re: Tensor, other_im: Tensor) -> tuple[Tensor, Tensor]:
    """Complex product, part by part."""
    return (
        (re * other_re).addcmul_(im, other_im, value=-1.0),
        (re * other_im).addcmul_(im, other_re),
    )


def _product_planes(re: Tensor, im: Tensor, other_re: Tensor, other_im: Tensor) -> Tensor:
    """Complex product of parts ``(N, C, H, W)`` as planes."""
    if torch.compiler.is_compiling():
        return torch.stack(_times(re, im, other_re, other_im), dim=1)
    result = re.new_empty(_with_parts(re))
    result_re, result_im = result.unbind(1)
    torch.mul(re, other_re, out=result_re).addcmul_(im, other_im, value=-1.0)
    torch.mul(re, other_im, out=result_im).addcmul_(im, other_re)
    return result


class _PhaseThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, factor: Tensor | None, threshold: float) -> Tensor:
        re, im = planes.unbind(1)
        modulus = _squared_modulus(planes).sqrt_()
        kept_phase: Tensor | None = None
        if factor is None and threshold == 0.0:
            # The phase is kept exactly where the imaginary part is not negative: no angle is needed.
            negative = (im < 0.0).to(re.dtype)
            output = torch.stack(((modulus - re).mul_(negative).add_(re), im.clamp(min=0.0)), dim=1)
        else:
            radius = modulus.clamp_(min=threshold) if threshold > 0.0 else modulus
            kept_phase = phase(re, im).clamp_(min=0.0)
            turned = kept_phase if factor is None else kept_phase * _per_channel(factor)
            output = _polar(radius, turned)
        ctx.save_for_backward(planes, factor, output, kept_phase)
        ctx.threshold = threshold
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        planes, factor, output, kept_phase = ctx.saved_tensors
        radial, angular = _gradients_in_log_polar(output, gradient)
        grad_factor = None
        if factor is not None:
            grad_factor = _sum_over_pixels(kept_phase * angular)
            angular = angular.mul_(_per_channel(factor))
        if kept_phase is None:
            # Positive where the phase is: above the real axis, and on its negative half.
            kept_phase = torch.where(planes[:, 1] == 0.0, -planes[:, 0], planes[:, 1])
        angular = _pass_if_positive(angular, kept_phase)
        squared = _squared_modulus(planes)
        if ctx.threshold > 0.0:
            radial = _pass_if_positive(radial, squared - ctx.threshold**2)
        inverse = squared.clamp_(min=SMALLEST_SQUARE).reciprocal_()
        re, im = planes.unbind(1)
        grad_planes = _product_planes(radial.mul_(inverse), angular.mul_(inverse), re, im)
        return grad_planes, grad_factor, None


class _EquivariantPhaseThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, factor: Tensor) -> Tensor:
        mean = planes.mean(dim=2, keepdim=True)
        unit = mean / _squared_modulus(mean).sqrt_().add_(MODULUS_OFFSET).unsqueeze(1)
        unit_re, unit_im = unit.unbind(1)
        re, im = planes.unbind(1)
        relative_re, relative_im = _times(re, im, unit_re, -unit_im)
        kept_phase = phase(relative_re, relative_im).clamp_(min=0.0)
        radius = _squared_modulus(planes).sqrt_().add_(MODULUS_OFFSET)
        turned = kept_phase * _per_channel(factor)
        output = _product_planes(turned.cos().mul_(radius), turned.sin().mul_(radius), unit_re, unit_im)
        ctx.save_for_backward(planes, factor, output, kept_phase, mean)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        planes, factor, output, kept_phase, mean = ctx.saved_tensors
        radial, total_angular = _gradients_in_log_polar(output, gradient)
        grad_factor = _sum_over_pixels(kept_phase * total_angular)
        angular = _pass_if_positive(total_angular * _per_channel(factor), kept_phase)

        # The mean's phase turns every output and, through the relative phase, turns the thresholded part back.
        mean_angular = total_angular.sub_(angular).sum(dim=1, keepdim=True)
        mean_squared = _squared_modulus(mean)
        mean_radial = radial.sum(dim=1, keepdim=True) * (MODULUS_OFFSET / (mean_squared.sqrt() + MODULUS_OFFSET))
        share = (mean_squared.clamp_(min=SMALLEST_SQUARE) * planes.shape[2]).reciprocal_()
        mean_re, mean_im = mean.unbind(1)
        mean_re, mean_im = _times(mean_radial * share, mean_angular * share, mean_re, mean_im)

        # The offset belongs to the modulus of the output but not to that of the input: |f| / (|f| + offset).
        squared = _squared_modulus(planes).clamp_(min=SMALLEST_SQUARE)
        modulus = squared.sqrt()
        radial = radial.div_((modulus + MODULUS_OFFSET).mul_(modulus))
        re, im = planes.unbind(1)
        angular = angular.div_(squared)
        if torch.compiler.is_compiling():
            grad_re, grad_im = _times(radial, angular, re, im)
            return torch.stack((grad_re + mean_re, grad_im + mean_im), dim=1), grad_factor
        grad_planes = _product_planes(radial, angular, re, im)
        return grad_planes.add_(torch.stack((mean_re, mean_im), dim=1)), grad_factor
