"""Complex and real perceptrons trained on whole data sets (Nie and Yuan, section 2 and appendix A.2).

Matrices are real planes: a weight is ``(P, out, in)``, a batch ``(P, features, samples)``, with P = 2, real and
imaginary part, for a complex network and P = 1 for a real one. Samples are columns, as in the paper.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


def encode_pixels(pixels: Tensor, complex_valued: bool) -> Tensor:
    """Add the row of ones that carries the bias, then give every number ``x`` the phase ``pi x`` (section 2).

    Parameters
    ----------
    pixels : Tensor
        Real, in [0, 1], shape ``(features, samples)``.
    complex_valued : bool
        Whether to add phases. They reach the row of ones too, which becomes -1.

    Returns
    -------
    Tensor
        Shape ``(P, features + 1, samples)``, dtype of ``pixels``.
    """
    rows = torch.cat((pixels, pixels.new_ones(1, pixels.shape[1])))
    if not complex_valued:
        return rows.unsqueeze(0)
    return torch.stack((rows * torch.cos(math.pi * rows), rows * torch.sin(math.pi * rows)))


def matrix_product(weight: Tensor, planes: Tensor, plane_sum: Tensor | None = None) -> Tensor:
    """Product of matrices held as planes, three real products for a complex one (Gauss).

    Parameters
    ----------
    weight : Tensor
        Shape ``(..., P, out, in)``.
    planes : Tensor
        Shape ``(..., P, in, samples)``.
    plane_sum : Tensor, optional
        Sum of both planes, where it is used many times; shape ``(..., in, samples)``.

    Returns
    -------
    Tensor
        Shape ``(..., P, out, samples)``.
    """
    if weight.shape[-3] == 1:
        return weight @ planes
    a, b = weight.unbind(-3)
    x, y = planes.unbind(-3)
    first, second = a @ x, b @ y
    third = (a + b) @ (x + y if plane_sum is None else plane_sum)
    return torch.stack((first - second, third - first - second), dim=-3)


def class_scores(outputs: Tensor) -> Tensor:
    """What the softmax sees: ``|z|^2`` of complex outputs (modSoftmax), real outputs themselves.

    Maps ``(..., P, classes, samples)`` to ``(..., classes, samples)``.
    """
    return outputs.squeeze(-3) if outputs.shape[-3] == 1 else outputs.square().sum(dim=-3)


@dataclass(frozen=True)
class PreparedInputs:
    """A batch made ready for many passes; see :func:`prepare_inputs`."""

    planes: Tensor
    """``(P, rows, samples)``, only rows that are not zero in every sample."""
    plane_sum: Tensor | None
    """Sum of the two planes of a complex batch."""
    rows: Tensor
    """Which features the rows are, int64."""


def prepare_inputs(inputs: Tensor) -> PreparedInputs:
    """Leave out features that are zero in all samples, such as the margin of digits; they change no output.

    Parameters
    ----------
    inputs : Tensor
        Shape ``(P, features, samples)``.
    """
    rows = inputs.any(dim=2).any(dim=0).nonzero().squeeze(1)
    planes = inputs.index_select(1, rows)
    return PreparedInputs(planes, planes.sum(dim=0) if len(planes) == 2 else None, rows)


class Perceptron(nn.Module):
    """Fully connected network ``W_L f(... f(W_1 x))``; f is CReLU, or ReLU in a real network. No biases inside.

    Parameters
    ----------
    widths : sequence of int
        Inputs with the bias row, hidden layers, classes.
    complex_valued : bool
        Complex or real weights.
    activated : sequence of bool, optional
        Whether f follows each hidden layer; by default every one. The second hidden layer of the study's real network
        is linear.
    seed : int
        Of the initial weights: N(0, ``scale``^2) for each real number, drawn in float64 by NumPy's legacy generator,
        layer by layer, real parts before imaginary ones. The study has seed 2.
    scale : float
        Standard deviation of the initial weights.

    Raises
    ------
    ValueError
        ``activated`` has not one entry for each hidden layer.
    """

    def __init__(
        self,
        widths: Sequence[int],
        complex_valued: bool,
        activated: Sequence[bool] | None = None,
        seed: int = 2,
        scale: float = 0.01,
    ) -> None:
        super().__init__()
        n_hidden = len(widths) - 2
        self.activated = (True,) * n_hidden if activated is None else tuple(activated)
        if len(self.activated) != n_hidden:
            raise ValueError(f"{n_hidden} hidden layers, but {len(self.activated)} entries in activated")
        random = np.random.RandomState(seed)
        n_planes = 2 if complex_valued else 1
        self.weights = nn.ParameterList(
            torch.from_numpy(scale * random.randn(n_planes, n_out, n_in)) for n_in, n_out in itertools.pairwise(widths)
        )

    def forward(self, inputs: Tensor | PreparedInputs) -> Tensor:
        """Class scores.

        Parameters
        ----------
        inputs : Tensor or PreparedInputs
            Shape ``(P, features, samples)``, dtype of the weights.

        Returns
        -------
        Tensor
            Before the softmax, shape ``(classes, samples)``.
        """
        first, *others = self.weights
        if isinstance(inputs, PreparedInputs):
            planes = matrix_product(first.index_select(2, inputs.rows), inputs.planes, inputs.plane_sum)
        else:
            planes = matrix_product(first, inputs)
        for weight, activated in zip(others, self.activated, strict=True):
            planes = matrix_product(weight, planes.relu() if activated else planes)
        return class_scores(planes)
