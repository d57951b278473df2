"""Projections of weights on one kind of information, as phase or amplitude (Nie and Yuan, sections 2 and 3).

A weight is real planes ``(P, ...)``: real and imaginary part (P = 2), or one plane (P = 1) of a real network. Every
projection picks its planes from a few *parts* of the weight, so that networks with the same part share its products.
Constant positive factors do not change what a perceptron without inner biases predicts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.conv import ComplexConv2d

HALF_UNITS, HALF_ELEMENTS = "half_units", "half_elements"


@dataclass(frozen=True)
class Projection:
    """The parts of a weight that become the planes of the projected one."""

    re: str | None
    """Part that becomes the real plane; None for zero."""
    im: str | None = None
    """Part that becomes the imaginary plane; None for zero. Unused in a real network."""
    idempotent: bool = True
    """True if projecting twice is projecting once."""


COMPLEX_PROJECTIONS: Mapping[str, Projection] = {
    "origin": Projection("re", "im"),
    "only_phase": Projection("phase_re", "phase_im"),
    "only_amplitude": Projection("modulus"),
    "only_real": Projection("re"),
    # As in the study, imaginary parts are used as a real matrix.
    "only_imaginary": Projection("im", idempotent=False),
    "imaginary_axis": Projection(None, "im"),
}
REAL_PROJECTIONS: Mapping[str, Projection] = {
    "origin": Projection("value"),
    "only_sign": Projection("sign"),
    "only_absolute": Projection("modulus"),
}
STUDY_PROJECTIONS = {
    True: ("origin", "only_phase", "only_amplitude", "only_real", "only_imaginary"),
    False: ("origin", "only_sign", "only_absolute"),
}
"""What the figures show besides the random halves, for a complex network (true) and a real one."""


def find_projection(name: str, complex_valued: bool) -> Projection:
    """Look a projection up.

    Raises
    ------
    PhasebenchError
        There is none of that name for this kind of network; the message lists those there are.
    """
    table = COMPLEX_PROJECTIONS if complex_valued else REAL_PROJECTIONS
    if name not in table:
        kind = "complex" if complex_valued else "real"
        raise PhasebenchError(f"projection '{name}' is unknown for {kind} weights; known: {', '.join(table)}")
    return table[name]


def _modulus(weight: Tensor) -> Tensor:
    return weight[0].abs() if len(weight) == 1 else torch.hypot(weight[0], weight[1])


def _unit(plane: Tensor, modulus: Tensor) -> Tensor:
    """``plane / modulus`` times the mean modulus: of all such weights the nearest. A zero stays zero."""
    nonzero = modulus > 0
    mean = modulus.sum() / nonzero.sum().clamp(min=1)
    return torch.where(nonzero, plane / modulus, 0.0) * mean


_PARTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "value": lambda weight: weight[0],
    "re": lambda weight: weight[0],
    "im": lambda weight: weight[1],
    "modulus": _modulus,
    "sign": lambda weight: _unit(weight[0], _modulus(weight)),
    "phase_re": lambda weight: _unit(weight[0], _modulus(weight)),
    "phase_im": lambda weight: _unit(weight[1], _modulus(weight)),
}


def part_of(weight: Tensor, part: str | None) -> Tensor:
    """One plane ``(...)`` from a weight ``(P, ...)``; zeros if ``part`` is None. See :class:`Projection`."""
    return torch.zeros_like(weight[0]) if part is None else _PARTS[part](weight)


def project(weight: Tensor, name: str) -> Tensor:
    """Project a weight on the named information (Nie and Yuan, section 2).

    Parameters
    ----------
    weight : Tensor
        Shape ``(P, ...)``, P = 2 for complex weights, 1 for real ones.
    name : str
        A key of :data:`COMPLEX_PROJECTIONS` or :data:`REAL_PROJECTIONS`. ``only_phase`` and ``only_sign`` give every
        element the mean modulus of the weight.

    Returns
    -------
    Tensor
        Shape of ``weight``.

    Raises
    ------
    PhasebenchError
        There is no such projection.

    Examples
    --------
    >>> project(torch.tensor([[3.0, 0.0], [4.0, -2.0]]), "only_amplitude")  # of 3 + 4i and -2i
    tensor([[5., 2.],
            [0., 0.]])
    """
    projection = find_projection(name, len(weight) == 2)
    names = (projection.re, projection.im)[: len(weight)]
    return torch.stack([part_of(weight, part) for part in names])


def half_mask(shape: Sequence[int], n_axes: int, generator: torch.Generator) -> Tensor:
    """Masks with exactly ``n // 2`` zeros among each ``n`` entries.

    Parameters
    ----------
    shape : sequence of int
        Shape of the result. Its last axes, ``n_axes`` of them, hold the ``n`` entries; the others are draws.
    n_axes : int
        Axes that are masked together.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor
        Float64 zeros and ones.
    """
    noise = torch.rand(tuple(shape), generator=generator, dtype=torch.float64).flatten(-n_axes)
    order = noise.argsort(dim=-1).argsort(dim=-1)
    return (order >= order.shape[-1] // 2).double().reshape(tuple(shape))


def projected_parameters(
    model: nn.Module,
    name: str,
    layers: tuple[type[nn.Module], ...] = (ComplexConv2d,),
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Projected weights of any network, to be used with :func:`torch.func.functional_call`.

    Parameters
    ----------
    model : Module
        It is left as it is.
    name : str
        A projection, ``half_units``, which zeroes a random half of each hidden layer's output channels, or
        ``half_elements``.
    layers : tuple of type
        The layers whose ``weight`` is projected; the last of them, in the order of the modules, makes the logits.
        Weights of :class:`torch.nn.Conv2d` and :class:`torch.nn.Linear` are real; those of other layers are complex
        planes ``(2, out, ...)``.
    generator : torch.Generator, optional
        On the CPU; needed for the random halves.

    Returns
    -------
    dict
        From the name of a parameter to its projection.

    Raises
    ------
    PhasebenchError
        There is no such projection.
    ValueError
        There is no such layer, or no generator for a random half.
    """
    found = {path: module for path, module in model.named_modules() if isinstance(module, layers)}
    if not found:
        raise ValueError(f"no layer of type {', '.join(layer.__name__ for layer in layers)} to project")
    projected = {}
    for path, module in found.items():
        weight = module.get_parameter("weight").detach()
        real = isinstance(module, nn.Conv2d | nn.Linear)
        # Units are hidden ones: those of the last layer are the classes.
        kind = "origin" if name == HALF_UNITS and path == list(found)[-1] else name
        planes = _project_layer(weight.unsqueeze(0) if real else weight, kind, generator)
        projected[f"{path}.weight" if path else "weight"] = planes.squeeze(0) if real else planes
    return projected


def _project_layer(weight: Tensor, name: str, generator: torch.Generator | None) -> Tensor:
    if name not in (HALF_UNITS, HALF_ELEMENTS):
        return project(weight, name)
    if generator is None:
        raise ValueError(f"{name} needs a generator")
    shape = weight.shape[1:]
    if name == HALF_ELEMENTS:
        return weight * half_mask(shape, len(shape), generator).to(weight)
    return weight * half_mask(shape[:1], 1, generator).to(weight).view(-1, *[1] * (len(shape) - 1))
