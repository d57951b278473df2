"""A complex perceptron in numpy, with the derivatives that Nie and Yuan worked out."""

import numpy as np
import torch
from torch import Tensor


def native(planes: Tensor) -> np.ndarray:
    return torch.complex(planes[0], planes[1]).detach().numpy()


def loss_and_gradients(
    first: np.ndarray, second: np.ndarray, inputs: np.ndarray, labels: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, and its derivatives with equations 1 and 2 of appendix A.2, as dL/dRe W + i dL/dIm W."""
    z1 = first @ inputs
    a1 = np.maximum(z1.real, 0) + 1j * np.maximum(z1.imag, 0)
    z2 = second @ a1
    exponential = np.exp(np.abs(z2) ** 2)
    a2 = exponential / exponential.sum(axis=0)
    n_samples = inputs.shape[1]
    y = np.eye(len(second))[labels].T
    loss = -np.sum(y * np.log(a2)) / n_samples

    d_re, d_im = (a2 - y) * 2 * z2.real / n_samples, (a2 - y) * 2 * z2.imag / n_samples
    second_re = d_re @ a1.real.T + d_im @ a1.imag.T
    second_im = d_im @ a1.real.T - d_re @ a1.imag.T
    a_re = second.real.T @ d_re + second.imag.T @ d_im
    a_im = second.real.T @ d_im - second.imag.T @ d_re
    z_re, z_im = a_re * (1 + np.sign(z1.real)) / 2, a_im * (1 + np.sign(z1.imag)) / 2
    first_re = z_re @ inputs.real.T + z_im @ inputs.imag.T
    first_im = z_im @ inputs.real.T - z_re @ inputs.imag.T
    return float(loss), first_re + 1j * first_im, second_re + 1j * second_im
