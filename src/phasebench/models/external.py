"""Networks from outside the package, behind the interface of ours: planes ``(N, 2, C, H, W)`` to real logits."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import in_one_line, load_target
from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.specs.run import Domain, ExternalModel, LogitsOf, Scalar

N_PROBED = 2
"""Images of the pass that every external network makes when it is built."""
N_CLASSES_NAMES = ("n_classes", "num_classes")
IN_CHANNELS_NAMES = ("in_channels", "in_chans")


class ExternalNetwork(nn.Module):
    """A network in the input and output that the benchmark has.

    Parameters
    ----------
    network : nn.Module
        The network itself.
    domain : {"complex", "planes", "real"}
        Its input: complex ``(N, C, H, W)``, planes ``(N, 2, C, H, W)``, or ``(N, P, H, W)`` of some of the planes.
    planes : sequence of int
        Those that ``real`` reads.
    logits : {"modulus", "real"}, optional
        Real numbers that are made of complex logits.
    """

    def __init__(
        self, network: nn.Module, domain: Domain, planes: Sequence[int], logits: LogitsOf | None = None
    ) -> None:
        super().__init__()
        self.network, self.domain, self.logits = network, domain, logits
        self.planes = RealPlanes(planes) if domain == "real" else None

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to logits ``(N, K)``."""
        logits: Tensor = self.network(self.given(images))
        if self.logits == "modulus":
            return logits.abs()
        return logits.real if self.logits == "real" else logits

    def given(self, images: Tensor) -> Tensor:
        """Bring images into the form that the network reads."""
        planes = as_planes(images)
        if self.domain == "complex":
            return as_complex(planes)
        selected: Tensor = planes if self.planes is None else self.planes(planes)
        return selected

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ExternalNetwork":
        # A conversion to a real type would drop imaginary parts, so it is made of both parts.
        def of_parts(tensor: Tensor) -> Tensor:
            if not tensor.is_complex():
                return fn(tensor)
            return torch.view_as_complex(fn(torch.view_as_real(tensor).flatten()).view(*tensor.shape, 2))

        super()._apply(of_parts, recurse)  # type: ignore[no-untyped-call]
        return self


def build_external_model(
    name: str,
    external: ExternalModel,
    options: Mapping[str, Scalar],
    *,
    n_classes: int,
    in_channels: int,
    planes: Sequence[int],
    input_size: tuple[int, int] | None,
) -> nn.Module:
    """Build a network from outside, and pass two images through it: lazy layers get their shapes, and faults show.

    Parameters
    ----------
    name : str
        Its name in the configuration, for messages.
    external : ExternalModel
        Where it is, and in which form it reads images.
    options : mapping
        Further arguments.
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the encoded input.
    planes : sequence of int
        Real planes that are not zero for every sample; with ``domain: real`` they are the channels.
    input_size : pair of int, optional
        Height and width; the usual ones if not given.

    Raises
    ------
    PhasebenchError
        It cannot be imported or built, fails on the images, or does not give real logits ``(N, K)``.
    """
    place = f"network '{name}' ({external.target})"
    channels = len(planes) if external.domain == "real" else in_channels
    try:
        factory = load_target(external.target)
    except PhasebenchError as error:
        raise PhasebenchError(f"network '{name}': {error}") from error
    arguments = _arguments(factory, place, n_classes, channels, options)
    try:
        network = factory(**arguments)
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise PhasebenchError(f"{place} cannot be built ({in_one_line(error)}); arguments given: {given}") from error
    if not isinstance(network, nn.Module):
        raise PhasebenchError(f"{place} makes a {type(network).__name__}; it must make a torch.nn.Module")
    model = ExternalNetwork(network, external.domain, planes, external.logits)
    _probe(model, place, n_classes, in_channels, input_size or external.input_shape[1:])
    return model


def _arguments(
    factory: Callable[..., Any], place: str, n_classes: int, channels: int, options: Mapping[str, Scalar]
) -> dict[str, Any]:
    """Arguments of a class or function: classes and channels by the names that it has for them, and the options."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise PhasebenchError(f"{place} cannot be called; name a class or a function that makes a network") from error
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    found: dict[str, Any] = {}
    for names, value in ((N_CLASSES_NAMES, n_classes), (IN_CHANNELS_NAMES, channels)):
        known = [one for one in names if one in parameters or one in options]
        if known:
            found[known[0]] = value
        elif takes_any:
            found[names[0]] = value
        elif names is N_CLASSES_NAMES:
            raise PhasebenchError(f"{place} has no argument for the number of classes; call it {' or '.join(names)}")
    return {**found, **options}


@torch.no_grad()
def _probe(model: ExternalNetwork, place: str, n_classes: int, in_channels: int, size: tuple[int, int]) -> None:
    """Pass images in evaluation mode, which moves no running statistics and draws nothing but lazy parameters."""
    images = torch.linspace(-1.0, 1.0, N_PROBED * 2 * in_channels * size[0] * size[1])
    images = images.view(N_PROBED, 2, in_channels, *size)
    model.eval()
    try:
        # Through the network alone: what is made of complex logits would hide their type.
        logits = model.network(model.given(images))
    except Exception as error:
        shape = f"{in_channels} channels of {size[0]}x{size[1]}"
        raise PhasebenchError(
            f"{place} fails on two images ({in_one_line(error)}); they have domain '{model.domain}' and {shape}"
        ) from error
    finally:
        model.train()
    _check_logits(logits, model.logits, place, n_classes)
    parameters = list(model.parameters())
    if any(isinstance(parameter, UninitializedParameter) for parameter in parameters):
        raise PhasebenchError(f"{place} has lazy layers that a pass in evaluation mode does not reach; use them there")
    if not any(parameter.requires_grad for parameter in parameters):
        raise PhasebenchError(f"{place} has no trainable parameter; there is nothing to train")


def _check_logits(logits: object, made_of: LogitsOf | None, place: str, n_classes: int) -> None:
    if not isinstance(logits, Tensor):
        raise PhasebenchError(f"{place} gives a {type(logits).__name__}; it must give logits as one tensor")
    if logits.shape != (N_PROBED, n_classes):
        raise PhasebenchError(
            f"{place} gives a tensor of shape {tuple(logits.shape)} for {N_PROBED} images and {n_classes} classes; it "
            f"must give logits ({N_PROBED}, {n_classes})"
        )
    if logits.is_complex() != (made_of is not None):
        remedy = "leave out 'logits'" if made_of else "say 'logits: modulus' or 'logits: real'"
        raise PhasebenchError(f"{place} gives logits of type {logits.dtype}; {remedy}")
    if not (logits.is_complex() or logits.is_floating_point()):
        raise PhasebenchError(f"{place} gives logits of type {logits.dtype}; they must be floating-point numbers")
