"""Batch normalisation that whitens the real and the imaginary part (Trabelsi et al. 2018, section 3.5).

A symmetric 2x2 matrix per channel is kept as its three entries ``(rr, ri, ii)``, shape ``(3, C)``.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from phasebench.nn.complex._channels import per_channel, sum_over_pixels


class ComplexBatchNorm2d(nn.Module):
    """Complex batch normalisation by whitening: ``gamma V^(-1/2) (z - mean) + beta``.

    Trabelsi et al. 2018, section 3.5. Every channel is a vector of two with the 2x2 covariance V of real and imaginary
    part over batch and pixels; gamma is a learned symmetric matrix, beta a complex shift.
    In training mode the magnitude of a factor common to the batch drops out, up to eps, and its phase passes through
    the root. Gamma, unless a multiple of the identity, and the running statistics break the equivariance to phase. At
    the start real and imaginary part leave with variance 1/2 each.

    Parameters
    ----------
    channels : int
        Complex channels; there are five parameters for each.
    eps : float
        Added to both variances.
    momentum : float
        Weight of a batch in the running mean and the running covariance, which is the biased one.

    Examples
    --------
    >>> layer = ComplexBatchNorm2d(3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    running_mean: Tensor
    running_covariance: Tensor

    def __init__(self, channels: int, eps: float = 1e-4, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        half = torch.tensor([math.sqrt(0.5), 0.0, math.sqrt(0.5)])[:, None].repeat(1, channels)
        self.weight = nn.Parameter(half)
        self.bias = nn.Parameter(torch.zeros(2, channels))
        self.register_buffer("running_mean", torch.zeros(2, channels))
        self.register_buffer("running_covariance", half.clone())

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape; statistics are in single precision at least."""
        if not self.training:
            return self._normalize_with_running_statistics(planes)
        output: Tensor
        output, mean, covariance = _Whitening.apply(planes, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_covariance.lerp_(covariance.to(self.running_covariance.dtype), self.momentum)
        return output

    def _normalize_with_running_statistics(self, planes: Tensor) -> Tensor:
        root = inverse_square_root(self.running_covariance, self.eps)
        matrix = _matrix_product(_symmetric(self.weight), _symmetric(root))
        shift = self.bias - (matrix * self.running_mean).sum(dim=1)
        parts = _transform(planes.to(_statistics_dtype(planes)), matrix, shift)
        return torch.stack(parts, dim=1).to(planes.dtype)

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"{self.weight.shape[1]}, eps={self.eps}, momentum={self.momentum}"


def inverse_square_root(covariance: Tensor, eps: float) -> Tensor:
    """``(V + eps I)^(-1/2)``, symmetric, in closed form; entries ``(3, C)`` to entries ``(3, C)``."""
    rr, ri, ii, root, inverse = _square_root(covariance, eps)
    return torch.stack(((ii + root) * inverse, -ri * inverse, (rr + root) * inverse))


def _square_root(covariance: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Entries of ``V + eps I``, the root s of its determinant, and ``1 / (s t)`` with t the trace of its root."""
    rr, ri, ii = covariance.unbind(0)
    # No eigenvalue is below eps. Rounding can cost the determinant of a nearly singular matrix that bound.
    smallest = eps * (rr + ii + eps)
    rr, ii = rr + eps, ii + eps
    root = torch.maximum(rr * ii - ri * ri, smallest).sqrt()
    return rr, ri, ii, root, (root * (rr + ii + 2.0 * root).sqrt()).reciprocal()


def _inverse_square_root_gradient(covariance: Tensor, eps: float, gradient: Tensor) -> Tensor:
    """The backward of :func:`inverse_square_root`."""
    rr, ri, ii, root, inverse = _square_root(covariance, eps)
    of_rr, of_ri, of_ii = gradient.unbind(0)
    # With t² = rr + ii + 2 s, inverse = 1 / (s t) and s² = rr ii - ri².
    of_inverse = of_rr * (ii + root) + of_ii * (rr + root) - of_ri * ri
    of_trace = -0.5 * of_inverse * inverse.pow(3) * root.square()
    of_root = inverse * (of_rr + of_ii) - of_inverse * inverse / root + 2.0 * of_trace
    of_determinant = 0.5 * of_root / root
    return torch.stack(
        (
            inverse * of_ii + of_trace + of_determinant * ii,
            -inverse * of_ri - 2.0 * of_determinant * ri,
            inverse * of_rr + of_trace + of_determinant * rr,
        )
    )


def _statistics_dtype(planes: Tensor) -> torch.dtype:
    return torch.promote_types(planes.dtype, torch.float32)


def _symmetric(entries: Tensor) -> Tensor:
    """Entries ``(3, C)`` as matrices ``(2, 2, C)``."""
    rr, ri, ii = entries.unbind(0)
    return torch.stack((torch.stack((rr, ri)), torch.stack((ri, ii))))


def _entry_gradient(gradient: Tensor) -> Tensor:
    """The backward of :func:`_symmetric`."""
    return torch.stack((gradient[0, 0], gradient[0, 1] + gradient[1, 0], gradient[1, 1]))


def _matrix_product(left: Tensor, right: Tensor) -> Tensor:
    """Products of matrices ``(2, 2, C)``; not by ``einsum``, which autocast would round."""
    return (left[:, :, None] * right).sum(dim=1)


def _transform(planes: Tensor, matrix: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix times vector plus shift: both parts of the result, each a new map."""
    re, im = planes.unbind(1)
    first, second = (
        torch.addcmul(per_channel(constant), re, per_channel(of_re)).addcmul_(im, per_channel(of_im))
        for constant, (of_re, of_im) in zip(shift.unbind(0), matrix, strict=True)
    )
    return first, second


def _transform_planes(planes: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Matrix times vector plus shift as planes, without a gradient."""
    if torch.compiler.is_compiling():
        return torch.stack(_transform(planes, matrix, shift), dim=1)
    # Eager code writes both parts in place: stacking them would be one more pass over fresh memory.
    result = torch.empty_like(planes)
    re, im = planes.unbind(1)
    for part, constant, (of_re, of_im) in zip(result.unbind(1), shift.unbind(0), matrix, strict=True):
        torch.addcmul(per_channel(constant), re, per_channel(of_re), out=part).addcmul_(im, per_channel(of_im))
    return result


class _Whitening(torch.autograd.Function):
    """Whitening with its own backward, which needs one centred copy; autograd would keep a dozen maps."""

    @staticmethod
    def forward(ctx: Any, planes: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        wide = planes.to(_statistics_dtype(planes))
        count = planes.numel() // (2 * planes.shape[2])
        mean = sum_over_pixels(wide) / count
        centred = wide - per_channel(mean)
        re, im = centred.unbind(1)
        covariance = torch.stack([sum_over_pixels(left * right) for left, right in ((re, re), (re, im), (im, im))])
        covariance /= count
        root = inverse_square_root(covariance, eps)
        matrix = _matrix_product(_symmetric(weight), _symmetric(root))
        output = _transform_planes(centred, matrix, bias).to(planes.dtype)
        ctx.save_for_backward(centred.to(planes.dtype), covariance, root, weight)
        ctx.count, ctx.eps = count, eps
        ctx.mark_non_differentiable(mean, covariance)
        return output, mean, covariance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        centred, covariance, root, weight = ctx.saved_tensors
        dtype = gradient.dtype
        centred, gradient = centred.to(covariance.dtype), gradient.to(covariance.dtype)
        gamma, root = _symmetric(weight), _symmetric(root)

        total = sum_over_pixels(gradient)
        of_matrix = torch.stack(
            [torch.stack([sum_over_pixels(left * right) for right in centred.unbind(1)]) for left in gradient.unbind(1)]
        )
        grad_weight = _entry_gradient(_matrix_product(of_matrix, root))
        if not ctx.needs_input_grad[0]:
            return None, grad_weight.to(weight.dtype), total.to(weight.dtype), None

        of_root = _entry_gradient(_matrix_product(gamma, of_matrix))
        of_covariance = _inverse_square_root_gradient(covariance, ctx.eps, of_root) / ctx.count
        rr, ri, ii = of_covariance.unbind(0)
        through_covariance = _symmetric(torch.stack((2.0 * rr, ri, 2.0 * ii)))
        transposed = _matrix_product(root, gamma)
        through_mean = (transposed * total).sum(dim=1) / -ctx.count
        grad_planes = _transform_planes(gradient, transposed, through_mean)
        re, im = centred.unbind(1)
        for part, (of_re, of_im) in zip(grad_planes.unbind(1), through_covariance, strict=True):
            part.addcmul_(re, per_channel(of_re)).addcmul_(im, per_channel(of_im))
        return grad_planes.to(dtype), grad_weight.to(weight.dtype), total.to(weight.dtype), None
