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
from math import gcd, pi, sqrt

import torch
from torch import Tensor

# Numbers of a feature map that are worked on at a time for each thread of a CPU, so that they stay in its cache.
BLOCK = 1 << 18
# Matrices of at most this many columns are multiplied faster than rows are summed, on a CPU.
WIDEST_PRODUCT = 16


def spectral_sums(maps: Tensor) -> tuple[Tensor, Tensor]:
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
    """
    _, channels, height, width = maps.shape
    dtype = working_dtype(maps.dtype)
    row_0 = maps.new_zeros(channels, width, dtype=dtype)
    squares = maps.new_zeros(channels, height, width, dtype=dtype)
    projected = maps.new_zeros(channels, dtype=dtype)
    for block in _blocks(maps):
        part = maps[block].to(dtype)
        row_0 += part[:, :, 0].sum(dim=0)
        squares += part.square().sum(dim=0)
        projected += _projected_squares(part)
    forward, _ = row_transforms(width, dtype, maps.device)
    return height * (forward @ row_0.T), (height * width / 2) * (squares.sum(dim=(1, 2)) + projected)


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


def maps_gradient(gradient: Tensor, maps: Tensor, gain: Tensor, grad_total: Tensor, grad_energy: Tensor) -> Tensor:
    """Gradient of the maps by way of :func:`affine_spectrum` and of both results of :func:`spectral_sums`.

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
    """
    height, width = maps.shape[-2:]
    forward, _ = row_transforms(width, gain.dtype, maps.device)
    row = _in_row_0(height * (grad_total.T @ forward), maps)
    # The derivative of the energy is HW x (1 + P).
    factor = (height * width * grad_energy)[:, None, None]
    blocks = list(_blocks(maps))
    # A compiler writes to no part of a tensor.
    result = torch.empty_like(maps, dtype=gain.dtype) if len(blocks) > 1 else None
    for block in blocks:
        out = None if result is None else result[block]
        part = torch.addcmul(row, gradient[block].to(gain.dtype), gain[:, None, None], out=out)
        part.addcmul_(_with_projection(maps[block].to(gain.dtype)), factor)
    return (part if result is None else result).to(maps.dtype)


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Statistics of half-precision maps are taken in single precision."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


@cache
def row_transforms(width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The sum of a row's spectrum, and the row whose spectrum is constant, as real matrices.

    Returns
    -------
    forward : Tensor
        Shape ``(2, W)``; its product with a row is the real and the imaginary part of ``rfft(row).sum()``.
    inverse : Tensor
        Shape ``(2, W)``; ``irfft`` of the constants 1 and i.
    """
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


def _projected_squares(maps: Tensor) -> Tensor:
    """The sum of ``x P x'`` over the rows x of each channel, shape ``(C,)``."""
    batch, channels, height, width = maps.shape
    if not _use_products(maps):
        sums = _columns(maps).sum(dim=-2, keepdim=True)
        return sums.square().sum(dim=(0, 2, 3, 4)) * (2 - width % 2) / width
    # Products with two rows are the fastest where there are two parities; rows of one channel may stand side by side.
    rows = 1 if width % 2 else gcd(height, 2)
    projections = torch.mm(_projection(width, rows, maps.dtype), maps.view(-1, rows * width).T)
    return projections.view(-1, batch, channels * height // rows).square().sum(dim=(0, 1)).view(channels, -1).sum(dim=1)


def _with_projection(maps: Tensor) -> Tensor:
    """``x (1 + P)`` for all rows x, as a new tensor."""
    width = maps.shape[-1]
    if not _use_products(maps):
        columns = _columns(maps)
        return (columns + columns.mean(dim=-2, keepdim=True)).flatten(-2)
    rows = max(1, WIDEST_PRODUCT // width)
    while maps.numel() % (rows * width):
        rows -= 1
    return torch.mm(maps.view(-1, rows * width), _one_and_projection(width, rows, maps.dtype)).view(maps.shape)


def _use_products(maps: Tensor) -> bool:
    eager = maps.is_cpu and not torch.compiler.is_compiling()
    return eager and maps.shape[-1] <= WIDEST_PRODUCT and maps.is_contiguous()


def _columns(maps: Tensor) -> Tensor:
    """Columns ``(..., n, 1)``, or ``(..., n, 2)`` for even widths; P replaces a pixel by the mean along n."""
    result: Tensor = maps.unflatten(-1, (-1, 1 if maps.shape[-1] % 2 else 2))
    return result


@cache
def _projection(width: int, rows: int, dtype: torch.dtype) -> Tensor:
    """An orthonormal basis of the range of P, for several rows side by side."""
    with torch.inference_mode(False), torch.no_grad():
        parities = 2 - width % 2
        basis = torch.eye(parities, dtype=torch.float64).repeat(1, width // parities)
        return torch.kron(torch.eye(rows, dtype=torch.float64), basis * sqrt(parities / width)).to(dtype)


@cache
def _one_and_projection(width: int, rows: int, dtype: torch.dtype) -> Tensor:
    """``1 + P`` for several rows side by side: as few columns as these are multiplied faster than P in two steps."""
    basis = _projection(width, rows, torch.float64)
    with torch.inference_mode(False), torch.no_grad():
        return (torch.eye(rows * width, dtype=torch.float64) + basis.T @ basis).to(dtype)


def _blocks(maps: Tensor) -> Iterator[slice]:
    """Runs of the batch that fit into the cache of a CPU; the whole batch elsewhere."""
    batch = len(maps)
    step = batch
    if maps.is_cpu and not torch.compiler.is_compiling():
        step = max(1, BLOCK * torch.get_num_threads() * batch // max(1, maps.numel()))
    for start in range(0, batch, step):
        yield slice(start, start + step)
