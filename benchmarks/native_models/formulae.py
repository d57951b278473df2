"""Operations on native complex maps ``(N, C, H, W)`` that several networks share (Singhal, Xing and Yu 2022)."""

import torch
from torch import Tensor
from torch.nn import functional


def both_parts(features: Tensor) -> Tensor:
    """Complex ``(N, C)`` to real ``(N, 2C)``: all real parts, then all imaginary parts."""
    return torch.cat((features.real, features.imag), dim=1)


def complex_relu(maps: Tensor) -> Tensor:
    """CReLU."""
    return torch.complex(maps.real.relu(), maps.imag.relu())


def tangent_relu(maps: Tensor, scale: Tensor, factor: Tensor | None = None) -> Tensor:
    """GTReLU with ``r = 0``: ``|c x| exp(i w angle(c x)+)``, with w between 0.5 and 2 (section 3.6)."""
    maps = scale[:, None, None] * maps
    phase = maps.angle().relu()
    if factor is not None:
        phase = factor.clamp(0.5, 2.0)[:, None, None] * phase
    return torch.polar(maps.abs(), phase)


def magnitude_max_pool(maps: Tensor, size: int) -> Tensor:
    """The number of largest modulus in each window."""
    modulus, index = functional.max_pool2d(maps.abs(), size, return_indices=True)
    return maps.flatten(2).gather(2, index.flatten(2)).view_as(modulus)


def whiten(maps: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Batch normalisation that whitens real and imaginary part (Trabelsi et al. 2018, section 3.5).

    A symmetric matrix ``[[p, q], [q, r]]`` maps z to ``(p + r) / 2 z + ((p - r) / 2 + iq) conj(z)``. The covariance is
    thus half the variance v and half the pseudo-variance E[z z]. The inverse root follows from its determinant and
    trace.

    Parameters
    ----------
    maps : Tensor
        Complex, ``(N, C, H, W)``.
    weight : Tensor
        The entries p, q and r of the matrix that is applied last, shape ``(3, C)``.
    bias : Tensor
        Complex, ``(C,)``.
    eps : float
        Added to the variances of both parts.
    """
    centred = maps - maps.mean(dim=(0, 2, 3), keepdim=True)
    variance = (centred * centred.conj()).real.mean(dim=(0, 2, 3), keepdim=True) / 2 + eps
    pseudo = centred.square().mean(dim=(0, 2, 3), keepdim=True) / 2
    root = (variance.square() - pseudo.abs().square()).sqrt()
    trace = (2 * (variance + root)).sqrt()
    white = trace / (2 * root) * centred - pseudo / (root * trace) * centred.conj()
    p, q, r = weight[:, :, None, None]
    result: Tensor = (p + r) / 2 * white + torch.complex((p - r) / 2, q) * white.conj() + bias[:, None, None]
    return result


def prototype_logits(features: Tensor, prototypes: Tensor, alpha: Tensor) -> Tensor:
    """``-alpha d(f, p_k)`` with the root mean square as distance (eq. 6).

    Parameters
    ----------
    features : Tensor
        Complex, ``(N, C)``.
    prototypes : Tensor
        Complex, ``(C, K)``, or ``(N, C, K)`` if each sample has its own.
    alpha : Tensor
        A real number.
    """
    distance = (features[:, :, None] - prototypes).abs().square().mean(dim=1).sqrt()
    return -alpha * distance
