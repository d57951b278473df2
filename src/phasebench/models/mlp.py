"""Complex and real perceptrons trained on whole data sets (Nie and Yuan, section 2 and appendix A.2).

Matrices are real planes: a weight is ``(P, out, in)``, a batch ``(P, features, samples)``, with P = 2, real and
imaginary part, for a complex network and P = 1 for a real one. Samples are columns, as in the paper.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.nn.complex.weight_projections import find_projection


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
    """Class scores before the softmax: ``|z|^2`` of complex outputs (modSoftmax), real outputs themselves.

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
    """Indices of the features that the rows are, int64."""


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
    constraint : str, optional
        A projection of :mod:`phasebench.nn.complex.weight_projections`, applied to all weights after every step.

    Raises
    ------
    ValueError
        ``activated`` has not one entry for each hidden layer.
    PhasebenchError
        There is no such projection, or it would not stay what it is when it is repeated.
    """

    def __init__(
        self,
        widths: Sequence[int],
        complex_valued: bool,
        activated: Sequence[bool] | None = None,
        seed: int = 2,
        scale: float = 0.01,
        constraint: str | None = None,
    ) -> None:
        super().__init__()
        n_hidden = len(widths) - 2
        self.activated = (True,) * n_hidden if activated is None else tuple(activated)
        if len(self.activated) != n_hidden:
            raise ValueError(f"{n_hidden} hidden layers, but {len(self.activated)} entries in activated")
        if constraint is not None and not find_projection(constraint, complex_valued).idempotent:
            raise PhasebenchError(f"constraint: '{constraint}' changes its own result; use 'imaginary_axis'")
        self.constraint = constraint
        self.scale = scale
        n_planes = 2 if complex_valued else 1
        self.weights = nn.ParameterList(
            torch.empty(n_planes, n_out, n_in, dtype=torch.float64) for n_in, n_out in itertools.pairwise(widths)
        )
        self.initialise(seed)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draw the initial weights of this seed."""
        random = np.random.RandomState(seed)
        for weight in self.weights:
            weight.copy_(torch.from_numpy(self.scale * random.randn(*weight.shape)))

    def columns(self, images: Tensor) -> Tensor:
        """Encoded images ``(N, 2, C, H, W)`` as ``(P, features + 1, N)`` with the bias row, dtype of the weights."""
        raise NotImplementedError

    def scores(self, inputs: Tensor | PreparedInputs) -> Tensor:
        """Class scores of columns.

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

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``, dtype of the weights."""
        return self.scores(self.columns(as_planes(images))).T


class ComplexPerceptron(Perceptron):
    """Complex perceptron on images. Its bias input is -1: the study's 1 with the phase pi that it gives to a 1.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the input.
    hidden : sequence of int
        Units of the hidden layers.
    input_size : pair of int
        Height and width.
    seed, scale, constraint
        As in :class:`Perceptron`.
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 1,
        *,
        hidden: Sequence[int],
        input_size: tuple[int, int] = (28, 28),
        seed: int = 2,
        scale: float = 0.01,
        constraint: str | None = None,
    ) -> None:
        n_inputs = in_channels * input_size[0] * input_size[1] + 1
        super().__init__((n_inputs, *hidden, n_classes), True, None, seed, scale, constraint)

    def columns(self, images: Tensor) -> Tensor:
        """Columns of encoded images; see :meth:`Perceptron.columns`."""
        columns = images.flatten(2).permute(1, 2, 0).to(self.weights[0].dtype)
        bias = columns.new_tensor((-1.0, 0.0)).view(2, 1, 1).expand(2, 1, columns.shape[2])
        return torch.cat((columns, bias), dim=1)


class RealPerceptron(Perceptron):
    """Real perceptron on images, with a bias input of 1.

    Parameters
    ----------
    n_classes : int
        Logits.
    planes : sequence of int
        Which real planes of the encoded input it reads, as indices into the flattened ``(2C, H, W)``.
    hidden, activated, input_size, seed, scale, constraint
        As in :class:`ComplexPerceptron` and :class:`Perceptron`.
    """

    def __init__(
        self,
        n_classes: int,
        planes: Sequence[int] = (0,),
        *,
        hidden: Sequence[int],
        activated: Sequence[bool] | None = None,
        input_size: tuple[int, int] = (28, 28),
        seed: int = 2,
        scale: float = 0.01,
        constraint: str | None = None,
    ) -> None:
        n_inputs = len(planes) * input_size[0] * input_size[1] + 1
        super().__init__((n_inputs, *hidden, n_classes), False, activated, seed, scale, constraint)
        self.planes = RealPlanes(planes)

    def columns(self, images: Tensor) -> Tensor:
        """Columns of encoded images; see :meth:`Perceptron.columns`."""
        chosen = self.planes(images).flatten(1).T.to(self.weights[0].dtype)
        return torch.cat((chosen, torch.ones_like(chosen[:1]))).unsqueeze(0)


# The networks of the study's figures, by the units of their hidden layers.
perceptron_20 = partial(ComplexPerceptron, hidden=(20,))
perceptron_100 = partial(ComplexPerceptron, hidden=(100,))
perceptron_512 = partial(ComplexPerceptron, hidden=(512,))
perceptron_50_20 = partial(ComplexPerceptron, hidden=(50, 20))
perceptron_512_100 = partial(ComplexPerceptron, hidden=(512, 100))
perceptron_real_512_100 = partial(RealPerceptron, hidden=(512, 100), activated=(True, False))
# Weights that keep one kind of information while they are trained.
perceptron_100_phase = partial(perceptron_100, constraint="only_phase")
perceptron_100_amplitude = partial(perceptron_100, constraint="only_amplitude")
perceptron_100_real = partial(perceptron_100, constraint="only_real")
perceptron_100_imaginary = partial(perceptron_100, constraint="imaginary_axis")
