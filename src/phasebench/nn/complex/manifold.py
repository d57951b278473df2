"""Complex maps on the manifold of modulus and phase, and its distance (Singhal, Xing and Yu 2022, section 3.7, eq. 7).

Non-zero complex numbers are scalings and rotations: the line of ``ln r`` times the circle of angles. In the *polar
representation* a map with C channels is one real tensor ``(N, 3, C, H, W)``; axis 1 holds ``ln r``, the cosine and the
sine, and the last two lie on the unit circle. Angles themselves never occur in it, so that nothing jumps where they
wrap. :func:`to_polar` converts planes once, at a model's door.

Zero has no phase. It gets angle 0, whatever it is multiplied by, and passes no gradient.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from phasebench.nn.complex._channels import per_channel, sum_over_pixels
from phasebench.nn.complex.angle import phase
from phasebench.nn.complex.numerics import SMALLEST_SQUARE

LOG_OFFSET = 1e-9


def to_polar(planes: Tensor, offset: float = LOG_OFFSET) -> Tensor:
    """Logarithm of the modulus, cosine and sine of the phase.

    Parameters
    ----------
    planes : Tensor
        Shape ``(N, 2, C, H, W)``.
    offset : float
        Added to the modulus, so that zero has a logarithm.

    Returns
    -------
    Tensor
        ``(ln(|z| + offset), cos, sin)``, shape ``(N, 3, C, H, W)``. A modulus below 1e-12 counts as zero.
    """
    re, im = planes.unbind(1)
    squared = re * re + im * im
    zero = squared < SMALLEST_SQUARE
    # Zeros are replaced on both sides of the root: one side alone would leave 0 / 0 in the gradient.
    modulus = squared.masked_fill(zero, 1.0).sqrt()
    log_modulus = (modulus.masked_fill(zero, 0.0) + offset).log()
    return torch.stack((log_modulus, re.masked_fill(zero, 1.0) / modulus, im.masked_fill(zero, 0.0) / modulus), dim=1)


def transport(values: Tensor, shift: Tensor | None = None, turn: Tensor | None = None) -> Tensor:
    """Bring the directions to the unit circle, then multiply every channel by a complex number.

    Parameters
    ----------
    values : Tensor
        Like a polar representation ``(N, 3, C, H, W)``, but the vectors (cos, sin) may have any length, as averages
        have. A vector shorter than 1e-12 counts as angle 0 and passes no gradient.
    shift, turn : Tensor, optional
        Added to ``ln r`` and to the angle, shape ``(C,)``. Either both or none.

    Returns
    -------
    Tensor
        The polar representation, shape ``(N, 3, C, H, W)``, in single precision at least.
    """
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    result: Tensor = _Transport.apply(values, shift, turn)  # type: ignore[no-untyped-call]
    return result


def manifold_distance(left: Tensor, right: Tensor) -> Tensor:
    """``sqrt((ln r1 - ln r2)² + arc²)``, ``arc`` the angle between both, in [0, pi] (eq. 7).

    Multiplying both by one complex number does not change it. The gradient at distance zero is zero.

    Parameters
    ----------
    left, right : Tensor
        Polar representations ``(N, 3, C, H, W)``; other axes than the second are broadcast.

    Returns
    -------
    Tensor
        Real, shape ``(N, C, H, W)``.
    """
    result: Tensor = _Distance.apply(left, right)  # type: ignore[no-untyped-call]
    return result


class _Transport(torch.autograd.Function):
    """Transport with its own backward, which needs two maps; autograd would keep those of every product."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, shift: Tensor | None, turn: Tensor | None) -> Tensor:
        log_modulus, cosine, sine = values.unbind(1)
        squared = (cosine * cosine).addcmul_(sine, sine)
        short = (squared < SMALLEST_SQUARE).to(values.dtype)
        inverse = squared.add_(short).rsqrt_()
        # A vector of no length becomes (1, 0); what is left of it is far below the rounding of 1.
        cosine, sine = (cosine + short).mul_(inverse), inverse.mul_(sine)
        if shift is not None and turn is not None:
            log_modulus = log_modulus + per_channel(shift)
            turn_re, turn_im = per_channel(turn.cos()), per_channel(turn.sin())
            cosine, sine = (
                (cosine * turn_re).addcmul_(sine, turn_im, value=-1.0),
                (cosine * turn_im).addcmul_(sine, turn_re),
            )
        output = torch.stack((log_modulus, cosine, sine), dim=1)
        ctx.save_for_backward(values, output)
        ctx.transported = shift is not None
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, output = ctx.saved_tensors
        grad_log, grad_cosine, grad_sine = gradient.unbind(1)
        angular = (grad_sine * output[:, 1]).addcmul_(grad_cosine, output[:, 2], value=-1.0)
        grad_shift = sum_over_pixels(grad_log) if ctx.transported else None
        grad_turn = sum_over_pixels(angular) if ctx.transported else None

        _, cosine, sine = values.unbind(1)
        squared = (cosine * cosine).addcmul_(sine, sine)
        angular = (angular / squared).masked_fill_(squared < SMALLEST_SQUARE, 0.0)
        grad_values = torch.stack((grad_log, -angular * sine, angular * cosine), dim=1)
        return grad_values, grad_shift, grad_turn


class _Distance(torch.autograd.Function):
    """Distance with its own backward: finite at zero, and with two sums and no maps for a mean that was broadcast."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        log_left, cos_left, sin_left = left.unbind(1)
        log_right, cos_right, sin_right = right.unbind(1)
        angle = phase(
            (cos_left * cos_right).addcmul_(sin_left, sin_right),
            (sin_left * cos_right).addcmul_(cos_left, sin_right, value=-1.0),
        )
        difference = log_left - log_right
        distance = torch.hypot(difference, angle)
        ctx.save_for_backward(left, right, difference, angle, distance)
        return distance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        left, right, difference, angle, distance = ctx.saved_tensors
        scaled = (gradient / distance).masked_fill_(distance == 0.0, 0.0)
        radial, angular = scaled * difference, scaled * angle
        grad_left = _gradient(left, radial, angular) if ctx.needs_input_grad[0] else None
        grad_right = _gradient(right, -radial, -angular) if ctx.needs_input_grad[1] else None
        return grad_left, grad_right


def _gradient(polar: Tensor, radial: Tensor, angular: Tensor) -> Tensor:
    """Gradients by ``ln r`` and by the angle as one by the polar representation, summed over broadcast axes."""
    log_modulus, cosine, sine = polar.unbind(1)
    angular = angular.sum_to_size(log_modulus.shape)
    return torch.stack((radial.sum_to_size(log_modulus.shape), -angular * sine, angular * cosine), dim=1)
