"""Sums over the spectrum of a feature map, and affine maps of its spectrum, without a Fourier transform.

What spectral batch normalisation does to a spectrum is the same at every frequency, so the transforms cancel:

* a factor on all coefficients is the same factor on the map;
* a constant added to all coefficients is an impulse at pixel (0, 0), if it is real, and an odd function of the column
  in row 0, if it is imaginary; no other row changes;
* the sum of all coefficients is determined by row 0;
* the sum of their squared moduli follows from Parseval's theorem. The half spectrum counts the columns of frequency 0
  and, for even widths, W/2 in full and all others half: ``HW/2`` times the sum of ``x (1 + P) x'`` over all rows x,
  where P projects on those frequencies.

These functions know nothing of gradients; :mod:`phasebench.nn.spectral.functional` puts them together.
"""

from collections.abc import Iterator
from functools import cache
from math import gcd, pi, prod, sqrt

import torch
from torch import Tensor

# Numbers of a feature map that are worked on at a time for each thread of a CPU, so that they stay in its cache.
BLOCK = 1 << 19
# Rows of at most this many pixels in all, side by side, are multiplied by a matrix faster than summed, on a CPU.
WIDEST_PRODUCT = 32


def spectral_sums(maps: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sums over batch and frequencies of the coefficients and of their squared moduli.

    Parameters
    ----------
    maps : Tensor
        Real, shape ``(B, C, H, W)``.

    Returns
    -------
    total : Tensor
        Sum of the coefficients of ``rfft2(maps)``, shape ``(2, C)``; float32 for half-precision maps.
    energy : Tensor
        Sum of their squared moduli, shape ``(C,)``.
    projections : Tensor or None
        Products for :func:`maps_gradient`, shape ``(B, C, H, 1 or 2)``; None where making them anew is as fast.
    """
    batch, channels, height, width = maps.shape
    dtype = working_dtype(maps.dtype)
    row_0 = maps.new_zeros(channels, width, dtype=dtype)
    squares = maps.new_zeros(channels, height, width, dtype=dtype)
    projected = maps.new_zeros(channels, dtype=dtype)
    keep = _use_products(maps)
    projections = maps.new_empty(batch, channels, height, 2 - width % 2, dtype=dtype) if keep else None
    for block in _blocks(maps):
        part = maps[block].to(dtype)
        row_0 += part[:, :, 0].sum(dim=0)
        squares += part.square().sum(dim=0)
        onto = _project(part, None if projections is None else projections[block])
        projected += onto.square().sum(dim=(0, 2, 3))
    forward, _ = row_transforms(width, dtype, maps.device)
    return height * (forward @ row_0.T), (height * width / 2) * (squares.sum(dim=(1, 2)) + projected), projections


def affine_spectrum(maps: Tensor, gain: Tensor, offset: Tensor | None) -> Tensor:
    """``irfft2(gain rfft2(maps) + offset)``.

    Parameters
    ----------
    maps : Tensor
        Real, shape ``(B, C, H, W)``.
    gain : Tensor
        Real factors, shape ``(C,)``, of the working type.
    offset : Tensor or None
        Complex summands, shape ``(2, C)``.

    Returns
    -------
    Tensor
        Of the shape and type of ``maps``.
    """
    if offset is None:
        return torch.mul(maps, gain[:, None, None]).to(maps.dtype)
    _, inverse = row_transforms(maps.shape[-1], offset.dtype, offset.device)
    return torch.addcmul(_in_row_0(offset.T @ inverse, maps), maps, gain[:, None, None]).to(maps.dtype)


def affine_gradients(gradient: Tensor, maps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Gradients of the gain ``(C,)`` and the offset ``(2, C)`` of :func:`affine_spectrum`, from that of its result."""
    row_0 = maps.new_zeros(maps.shape[1], maps.shape[3], dtype=dtype)
    products = maps.new_zeros(maps.shape[1:], dtype=dtype)
    for block in _blocks(maps):
        part = gradient[block].to(dtype)
        row_0 += part[:, :, 0].sum(dim=0)
        products += (part * maps[block]).sum(dim=0)
    _, inverse = row_transforms(maps.shape[-1], dtype, maps.device)
    return products.sum(dim=(1, 2)), inverse @ row_0.T


def maps_gradient(
    gradient: Tensor,
    maps: Tensor,
    gain: Tensor,
    grad_total: Tensor,
    grad_energy: Tensor,
    projections: Tensor | None = None,
) -> Tensor:
    """Gradient of the maps by way of :func:`affine_spectrum` and of both sums of :func:`spectral_sums`.

    Parameters
    ----------
    gradient : Tensor
        Of the result of the affine map, shape ``(B, C, H, W)``.
    maps : Tensor
        The maps, shape ``(B, C, H, W)``.
    gain : Tensor
        Factors of the affine map, shape ``(C,)``, of the working type.
    grad_total, grad_energy : Tensor
        Gradients of the sums, shapes ``(2, C)`` and ``(C,)``.
    projections : Tensor or None
        From :func:`spectral_sums`.
    """
    height, width = maps.shape[-2:]
    forward, _ = row_transforms(width, gain.dtype, maps.device)
    row = _in_row_0(height * (grad_total.T @ forward), maps)
    # The derivative of the energy is HW x (1 + P).
    factor = (height * width * grad_energy)[:, None, None]
    # A compiler writes to no part of a tensor, and works on the whole batch.
    result = None if torch.compiler.is_compiling() else torch.empty_like(maps, dtype=gain.dtype)
    for block in _blocks(maps):
        out = None if result is None else result[block]
        x = maps[block].to(gain.dtype)
        part = torch.addcmul(row, gradient[block].to(gain.dtype), gain[:, None, None], out=out)
        if projections is None:
            part.addcmul_(x + _spread(_project(x), width), factor)
        else:
            part.addcmul_(x, factor)
            _add_spread(part, projections[block] * factor)
    return (part if result is None else result).to(maps.dtype)


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Precision of the statistics: single for maps in half precision."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def row_transforms(width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The sum of a row's spectrum, and the row whose spectrum is constant, as real matrices.

    Returns
    -------
    forward : Tensor
        Shape ``(2, W)``; its product with a row is the real and the imaginary part of ``rfft(row).sum()``.
    inverse : Tensor
        Shape ``(2, W)``; ``irfft`` of the constants 1 and i.
    """
    return _row_transforms(width, dtype, device)


# A compiler would ignore the cache and compute the matrices in every pass. `torch.compiler.assume_constant_result`
# sets this mark and no more, but imports the whole compiler for it, which takes a second.
row_transforms._dynamo_marked_constant = True  # type: ignore[attr-defined]


@cache
def _row_transforms(width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    # A tensor that inference made could not take part in training later.
    with torch.inference_mode(False), torch.no_grad():
        frequencies = torch.arange(width // 2 + 1, dtype=torch.float64)
        angles = torch.outer(frequencies, torch.arange(width, dtype=torch.float64)) * (2 * pi / width)
        # All but frequency 0 and, for even widths, W/2 stand for their conjugates too.
        count = torch.where((frequencies == 0) | (2 * frequencies == width), 1.0, 2.0).double()
        forward = torch.stack((angles.cos().sum(dim=0), -angles.sin().sum(dim=0)))
        inverse = torch.stack((count @ angles.cos(), -(count @ angles.sin()))) / width
        return forward.to(device, dtype), inverse.to(device, dtype)


def _in_row_0(row: Tensor, maps: Tensor) -> Tensor:
    """One image, in the layout of the maps, that is zero but for row 0: added faster than to the rows 0 alone."""
    result = torch.zeros_like(maps[:1], dtype=row.dtype)
    result[:, :, 0] = row
    return result


def _project(maps: Tensor, out: Tensor | None = None) -> Tensor:
    """Each row in an orthonormal basis of the range of P, shape ``(..., 1)``, or ``(..., 2)`` for even widths."""
    width = maps.shape[-1]
    if out is None:
        return _columns(maps).sum(dim=-2) * sqrt((2 - width % 2) / width)
    basis = _basis(width, _rows_in_product(maps), maps.dtype)
    torch.mm(maps.view(-1, basis.shape[1]), basis.T, out=out.view(-1, len(basis)))
    return out


def _spread(projections: Tensor, width: int) -> Tensor:
    """The rows that :func:`_project` made these of, projected by P."""
    parities = projections.shape[-1]
    rows = (projections * sqrt(parities / width)).unsqueeze(-2)
    return rows.expand(*projections.shape[:-1], width // parities, parities).flatten(-2)


def _add_spread(maps: Tensor, projections: Tensor) -> None:
    """Add :func:`_spread` to the maps in place, without a tensor of their size."""
    basis = _basis(maps.shape[-1], _rows_in_product(maps), maps.dtype)
    maps.view(-1, basis.shape[1]).addmm_(projections.view(-1, len(basis)), basis)


def _use_products(maps: Tensor) -> bool:
    eager = maps.is_cpu and not torch.compiler.is_compiling()
    return eager and maps.shape[-1] <= WIDEST_PRODUCT and maps.is_contiguous()


def _rows_in_product(maps: Tensor) -> int:
    """Rows side by side in a matrix with which its products are the fastest."""
    return gcd(prod(maps.shape[1:3]), max(1, WIDEST_PRODUCT // maps.shape[-1]))


def _columns(maps: Tensor) -> Tensor:
    """Columns ``(..., n, 1)``, or ``(..., n, 2)`` for even widths; P replaces a pixel by the mean along n."""
    result: Tensor = maps.unflatten(-1, (-1, 1 if maps.shape[-1] % 2 else 2))
    return result


@cache
def _basis(width: int, rows: int, dtype: torch.dtype) -> Tensor:
    """An orthonormal basis of the range of P, for several rows side by side."""
    with torch.inference_mode(False), torch.no_grad():
        parities = 2 - width % 2
        basis = torch.eye(parities, dtype=torch.float64).repeat(1, width // parities)
        return torch.kron(torch.eye(rows, dtype=torch.float64), basis * sqrt(parities / width)).to(dtype)


def _blocks(maps: Tensor) -> Iterator[slice]:
    """Runs of the batch that fit into the cache of a CPU; the whole batch elsewhere."""
    batch = len(maps)
    step = batch
    if maps.is_cpu and not torch.compiler.is_compiling():
        step = max(1, BLOCK * torch.get_num_threads() * batch // max(1, maps.numel()))
    for start in range(0, batch, step):
        yield slice(start, start + step)
