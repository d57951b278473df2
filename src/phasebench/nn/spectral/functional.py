"""Statistics of spectra, and spectral batch normalisation without a Fourier transform, with its gradient by hand."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from phasebench.nn.spectral.distributed import sum_over_processes
from phasebench.nn.spectral.moments import (
    affine_gradients,
    affine_spectrum,
    maps_gradient,
    spectral_sums,
    working_dtype,
)


@dataclass(frozen=True)
class Normalisation:
    """The steps of the normalisation that are taken."""

    eps: float
    """Added to the variance."""
    centre: bool = True
    """Subtract the mean."""
    divide: bool = True
    """Divide by the deviation."""
    synchronised: bool = False
    """Take the statistics over all processes of a distributed run."""


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of the coefficients of each channel."""

    mean: Tensor
    """Real and imaginary parts, shape ``(2, C)``."""
    variance: Tensor
    """Shape ``(C,)``; ``(2, C)`` if real and imaginary parts have each their own."""
    count: Tensor
    """Coefficients of a channel; no dimension."""


def coefficient_count(maps: Tensor) -> int:
    """Coefficients per channel in the half spectra of maps ``(B, C, H, W)``."""
    batch, _, height, width = maps.shape
    return batch * height * (width // 2 + 1)


def batch_statistics(total: Tensor, energy: Tensor, count: int, synchronised: bool) -> Statistics:
    """Mean and variance from sums of coefficients and of their squared moduli.

    Parameters
    ----------
    total : Tensor
        Real and imaginary parts, shape ``(2, C)``.
    energy : Tensor
        Shape ``(C,)``, or ``(2, C)`` for the squares of real and imaginary parts apart.
    count : int
        Coefficients per channel in this process.
    synchronised : bool
        Add the sums of all processes first.

    Raises
    ------
    ValueError
        There is a single coefficient.
    """
    counts = total.new_tensor(count)
    if synchronised:
        total, energy, counts = sum_over_processes(total, energy, counts)
    elif count <= 1:
        raise ValueError("expected more than one coefficient per channel in training")
    mean = total / counts
    power = mean.square()
    if energy.ndim == 1:
        power = power.sum(dim=0)
    # The difference of two sums may come out below zero where the variance is zero.
    return Statistics(mean, (energy / counts - power).clamp(min=0), counts)


def gain_and_offset(
    mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, options: Normalisation
) -> tuple[Tensor, Tensor | None]:
    """The affine map of the coefficients that normalising, weight and bias make together.

    Parameters
    ----------
    mean : Tensor
        Shape ``(2, C)``.
    variance : Tensor
        Shape ``(C,)`` or ``(2, C)``.
    weight, bias : Tensor or None
        Shape ``(C,)``.
    options : Normalisation
        The steps that are taken.

    Returns
    -------
    gain : Tensor
        Of the shape of ``variance``.
    offset : Tensor or None
        Real and imaginary parts, shape ``(2, C)``.
    """
    gain = torch.rsqrt(variance + options.eps) if options.divide else torch.ones_like(variance)
    if weight is not None:
        gain = gain * weight
    offset = -gain * mean if options.centre else None
    if bias is not None:
        real = torch.stack((bias, torch.zeros_like(bias))).to(gain.dtype)
        offset = real if offset is None else offset + real
    return gain, offset


def affine_maps(maps: Tensor, gain: Tensor, offset: Tensor | None) -> Tensor:
    """:func:`affine_spectrum` with a gradient."""
    result: Tensor = _Affine.apply(maps, gain, offset)  # type: ignore[no-untyped-call]
    return result


def batch_normalise(
    maps: Tensor, weight: Tensor | None, bias: Tensor | None, options: Normalisation
) -> tuple[Tensor, Statistics]:
    """Normalise the spectra of a batch by its own statistics.

    Parameters
    ----------
    maps : Tensor
        Real, shape ``(B, C, H, W)``.
    weight, bias : Tensor or None
        Shape ``(C,)``.
    options : Normalisation
        The steps that are taken.

    Returns
    -------
    maps : Tensor
        Of the shape and type of the input.
    statistics : Statistics
        Without a gradient.

    Raises
    ------
    ValueError
        There is a single coefficient per channel.
    """
    result, *statistics = _BatchNormalisation.apply(maps, weight, bias, options)  # type: ignore[no-untyped-call]
    return result, Statistics(*statistics)


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, gain: Tensor, offset: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, gain)
        return affine_spectrum(maps, gain, offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, gain = ctx.saved_tensors
        grad_gain = grad_offset = grad_maps = None
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            grad_gain, grad_offset = affine_gradients(gradient, maps, gain.dtype)
        if ctx.needs_input_grad[0]:
            grad_maps = affine_spectrum(gradient, gain, None).to(maps.dtype)
        return grad_maps, grad_gain, grad_offset if ctx.needs_input_grad[2] else None


class _BatchNormalisation(torch.autograd.Function):
    """One Function from maps to maps, as the many small steps on channels cost more in autograd than in arithmetic."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor | None, bias: Tensor | None, options: Normalisation
    ) -> tuple[Tensor, ...]:
        dtype = working_dtype(maps.dtype)
        total, energy, projections = spectral_sums(maps)
        statistics = batch_statistics(total, energy, coefficient_count(maps), options.synchronised)
        weight = None if weight is None else weight.to(dtype)
        gain, offset = gain_and_offset(statistics.mean, statistics.variance, weight, bias, options)
        ctx.options = options
        ctx.save_for_backward(maps, projections, gain, statistics.mean, statistics.variance, statistics.count)
        ctx.mark_non_differentiable(statistics.mean, statistics.variance, statistics.count)
        ctx.set_materialize_grads(False)
        return affine_spectrum(maps, gain, offset), statistics.mean, statistics.variance, statistics.count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return None, None, None, None
        maps, projections, gain, mean, variance, count = ctx.saved_tensors
        options = ctx.options
        grad_gain, grad_offset = affine_gradients(gradient, maps, gain.dtype)
        grad_bias = grad_offset[0] if ctx.needs_input_grad[2] else None
        if options.centre:
            grad_gain -= (grad_offset * mean).sum(dim=0)
        # The gain is the weight over the deviation.
        inverse = torch.rsqrt(variance + options.eps) if options.divide else torch.ones_like(gain)
        grad_weight = grad_gain * inverse if ctx.needs_input_grad[1] else None
        grad_maps = None
        if ctx.needs_input_grad[0]:
            grad_mean = -gain * grad_offset if options.centre else torch.zeros_like(mean)
            grad_variance = torch.zeros_like(gain)
            if options.divide:
                grad_variance = grad_gain * gain * inverse.square() * -0.5
                # The variance is energy / count - |mean|^2.
                grad_mean -= 2 * mean * grad_variance
            grad_total, grad_energy = grad_mean / count, grad_variance / count
            if options.synchronised:
                grad_total, grad_energy = sum_over_processes(grad_total, grad_energy)
            grad_maps = maps_gradient(gradient, maps, gain, grad_total, grad_energy, projections)
        return grad_maps, grad_weight, grad_bias, None
