"""Products of complex numbers held as planes."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def multiply(left: Tensor, right: Tensor, dim: int = 1) -> Tensor:
    """Complex product; the other axes are broadcast.

    Parameters
    ----------
    left, right : Tensor
        Real and imaginary part along ``dim``.
    dim : int
        The axis of length two.
    """
    result: Tensor = _Product.apply(left, right, dim, False)  # type: ignore[no-untyped-call]
    return result


def multiply_conjugate(left: Tensor, right: Tensor, dim: int = 1) -> Tensor:
    """``left * conj(right)``; the other axes are broadcast (Singhal, Xing and Yu 2022, eq. 5)."""
    result: Tensor = _Product.apply(left, right, dim, True)  # type: ignore[no-untyped-call]
    return result


def scale_channels(planes: Tensor, scale: Tensor) -> Tensor:
    """Multiply the channels of planes ``(N, 2, C, H, W)`` by complex numbers ``(2, C)``."""
    return multiply(planes, scale[None, :, :, None, None])


def multiply_matrices(left: Tensor, right: Tensor) -> Tensor:
    """Complex matrix product of ``(2, M, K)`` and ``(2, K, N)``, shape ``(2, M, N)``."""
    a, b = left.unbind(0)
    c, d = right.unbind(0)
    return torch.stack((a @ c - b @ d, a @ d + b @ c))


def product(left: Tensor, right: Tensor, dim: int = 1, conjugate: bool = False) -> Tensor:
    """``left * right`` or ``left * conj(right)`` without a gradient, for use in a forward or backward by hand."""
    if torch.compiler.is_compiling():
        return torch.stack(_product_parts(left, right, dim, conjugate), dim=dim)
    a, b = left.unbind(dim)
    c, d = right.unbind(dim)
    sign = 1.0 if conjugate else -1.0
    # Eager code writes both parts in place: stacking them would be one more pass over fresh memory.
    result = left.new_empty(_broadcast_shape(left, right))
    re, im = result.unbind(dim)
    torch.mul(a, c, out=re).addcmul_(b, d, value=sign)
    torch.mul(b, c, out=im).addcmul_(a, d, value=-sign)
    return result


def _broadcast_shape(left: Tensor, right: Tensor) -> torch.Size:
    # torch.broadcast_shapes imports sympy, which takes 0.4 s.
    shape: torch.Size = torch.broadcast_tensors(left, right)[0].shape
    return shape


def _product_parts(left: Tensor, right: Tensor, dim: int, conjugate: bool) -> tuple[Tensor, Tensor]:
    a, b = left.unbind(dim)
    c, d = right.unbind(dim)
    sign = 1.0 if conjugate else -1.0
    return (a * c).addcmul_(b, d, value=sign), (b * c).addcmul_(a, d, value=-sign)


def _product_like(like: Tensor, left: Tensor, right: Tensor, dim: int, conjugate: bool) -> Tensor:
    """The product, summed over the axes that were broadcast."""
    if like.shape == _broadcast_shape(left, right):
        return product(left, right, dim, conjugate)
    # Summed before stacking, so that the large product is not written out once more.
    shape = list(like.shape)
    del shape[dim]
    return torch.stack([part.sum_to_size(shape) for part in _product_parts(left, right, dim, conjugate)], dim=dim)


class _Product(torch.autograd.Function):
    """Complex product with its own backward; autograd would keep the maps of four real products."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, dim: int, conjugate: bool) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.dim, ctx.conjugate = dim, conjugate
        return product(left, right, dim, conjugate)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        left, right = ctx.saved_tensors
        grad_left = grad_right = None
        if ctx.needs_input_grad[0]:
            grad_left = _product_like(left, gradient, right, ctx.dim, not ctx.conjugate)
        if ctx.needs_input_grad[1]:
            # G conj(l) for the product l r; l conj(G) for l conj(r).
            first, second = (left, gradient) if ctx.conjugate else (gradient, left)
            grad_right = _product_like(right, first, second, ctx.dim, True)
        return grad_left, grad_right, None, None
