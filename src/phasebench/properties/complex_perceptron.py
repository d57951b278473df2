"""Laws of the complex perceptron: products, derivatives (Nie and Yuan, appendix A.2) and initial weights."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from phasebench.models.mlp import Perceptron, matrix_product
from phasebench.properties.multiplications import multiplications
from phasebench.properties.precision import DTYPES, ROUNDING, name_of, normal, relative_error
from phasebench.properties.rows import Property

WIDTHS = (12, 7, 4)
N_SAMPLES = 20
SCALE = 0.01
SAMPLING = 0.03
"""Tolerance of a ratio of variances over 157,000 and more weights."""
_SUBJECT = "Perceptron"
_APPENDIX = "Nie and Yuan, appendix A.2, eq. {}"


def complex_perceptron_laws() -> Iterator[Property]:
    """Three real products for a complex one, equations 1 and 2, and the variance of the initial weights."""
    for dtype in DTYPES:
        yield from _product_laws(dtype)
        yield from _derivative_laws(dtype)
    yield Property(
        "layer",
        "matrix_product",
        "multiplications over those of four real products",
        product_share(),
        3 / 4,
        0.0,
        source="Gauss: three real products for a complex one",
    )
    network = Perceptron((785, 100, 10), complex_valued=True, scale=SCALE)
    drawn = float(network.weights[0].detach().var())
    source = "Nie and Yuan, code: N(0, 0.01²)"
    yield Property(
        "layer",
        _SUBJECT,
        "variance of a weight's part over its formula",
        drawn / SCALE**2,
        1.0,
        SAMPLING,
        source=source,
    )


def product_share() -> float:
    """Multiplications of the product of two complex matrices over those of the four real products of their parts."""
    weight, planes = normal(2, 5, 6), normal(2, 6, 3, seed=1)
    return multiplications(lambda: matrix_product(weight, planes)) / (4 * 5 * 6 * 3)


def derivatives_of_the_appendix(first: Tensor, second: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of the loss by both weights, as dL/dRe W + i dL/dIm W (Nie and Yuan, appendix A.2, eq. 1 and 2).

    Parameters
    ----------
    first, second : Tensor
        Complex weights ``(hidden, features)`` and ``(classes, hidden)``; CReLU between them.
    inputs : Tensor
        Complex columns ``(features, samples)``.
    labels : Tensor
        int64 ``(samples,)``.
    """
    before = first @ inputs
    hidden = torch.complex(before.real.relu(), before.imag.relu())
    outputs = second @ hidden
    probabilities = outputs.abs().square().softmax(dim=0)
    wrong = probabilities - functional.one_hot(labels, len(second)).T
    # Of the squared modulus of an output by its parts; the loss is a mean over samples.
    at_outputs = 2 * wrong * outputs / inputs.shape[1]
    at_hidden = second.mH @ at_outputs
    passed = torch.complex(at_hidden.real * (before.real > 0), at_hidden.imag * (before.imag > 0))
    return passed @ inputs.mH, at_outputs @ hidden.mH


def autograd_derivatives(network: Perceptron, columns: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """The same derivatives of a network by autograd, complex."""
    loss = functional.cross_entropy(network.scores(columns).T, labels)
    return tuple(torch.complex(*planes) for planes in torch.autograd.grad(loss, list(network.weights)))


def _derivative_laws(dtype: torch.dtype) -> Iterator[Property]:
    network = Perceptron(WIDTHS, complex_valued=True, scale=0.5).to(dtype)
    columns = normal(2, WIDTHS[0], N_SAMPLES, dtype=dtype)
    labels = torch.arange(N_SAMPLES) % WIDTHS[-1]
    found = autograd_derivatives(network, columns, labels)
    first, second = (torch.complex(*weight.detach()) for weight in network.weights)
    expected = derivatives_of_the_appendix(first, second, torch.complex(*columns), labels)
    # Equation 1 is of the layer before the output, equation 2 of the one before the activation.
    for number, index in ((1, 1), (2, 0)):
        yield Property(
            "layer",
            _SUBJECT,
            f"equation {number} equals autograd",
            relative_error(found[index], expected[index]),
            0.0,
            ROUNDING[dtype],
            dtype=name_of(dtype),
            source=_APPENDIX.format(number),
        )


def _product_laws(dtype: torch.dtype) -> Iterator[Property]:
    weight, planes = normal(2, 5, 6, dtype=dtype), normal(2, 6, 3, seed=1, dtype=dtype)
    found = matrix_product(weight, planes)
    native = torch.complex(*weight) @ torch.complex(*planes)
    re, im = weight
    block = torch.cat((torch.cat((re, -im), dim=1), torch.cat((im, re), dim=1)))
    doubled = (block @ planes.flatten(0, 1)).unflatten(0, (2, -1))
    for law, one, other, source in (
        ("equals the native complex product", torch.complex(*found), native, ""),
        ("equals a real layer of doubled width", found, doubled, "Nie and Yuan, Fig. 2"),
    ):
        yield Property(
            "layer",
            "matrix_product",
            law,
            relative_error(one, other),
            0.0,
            ROUNDING[dtype],
            dtype=name_of(dtype),
            source=source,
        )
