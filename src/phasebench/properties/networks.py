"""Properties of untrained networks: parameters, invariance of logits, size of feature maps, cost of a step."""

import math
import time
from collections.abc import Iterator
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phasebench.models.registry import build_for_input, count_parameters
from phasebench.nn.complex.layout import rotate
from phasebench.properties.multiplications import multiplications
from phasebench.properties.precision import DTYPES, name_of, normal, seeded
from phasebench.properties.rows import Property
from phasebench.specs.run import ExternalModel, Frozen, Name, Scalar

N_CLASSES = 10
N_IMAGES = 3
"""Random images that logits are compared on."""
BATCH = 2
"""Random images of a pass or a step."""
DEGREES = (45, 170)
FACTORS = (0.5, 3.0)
INVARIANT = {torch.float64: 1e-6, torch.float32: 1e-2}
"""Tolerance of a change of logits relative to their spread over images, by rounding."""
OFFSETS = 1e-2
"""The same of a change by magnitude, where the offsets that keep gradients finite at zero play a part."""
NORMALISED = 0.1
"""Relative tolerance of the root mean square behind a normalisation, over two random images."""
MOST_STEPS, ENOUGH_SECONDS = 5, 0.05
"""Timed steps of a network, and the time after which there are no more."""
ROUNDED_COUNT = 100_000
"""A published count that is a multiple of this is printed in millions, with one decimal."""


class UntrainedNetwork(Frozen):
    """A registered model, as a study's table has it.

    Attributes
    ----------
    model
        Its name in the registry.
    input_shape
        Complex channels, or real planes of a real network, height and width.
    real
        It reads planes of the input.
    published_parameters
        None where the study gives no count.
    invariant_to
        What its logits ignore of a common factor of the input, without training and in evaluation mode; None for a
        network that is measured without an expectation.
    options
        Further arguments of an external network.
    external
        Where it is, if it is not registered.
    """

    model: Name
    input_shape: tuple[int, int, int]
    real: bool
    published_parameters: int | None
    invariant_to: tuple[Literal["phase", "magnitude"], ...] | None
    options: dict[str, Scalar] = Field(default_factory=dict)
    external: ExternalModel | None = None

    @property
    def n_channels(self) -> int:
        """Complex channels, or real planes of a real network, as of an encoding."""
        return self.input_shape[0]

    @property
    def nonzero_planes(self) -> tuple[int, ...]:
        """Planes that a real network reads, as of an encoding."""
        return tuple(range(self.input_shape[0]))


def network_properties(network: UntrainedNetwork, *, with_invariance: bool) -> Iterator[Property]:
    """Properties of a network, with the invariance of its logits where asked for."""
    with seeded():
        model = build(network)
        yield _parameters(network, model)
        if with_invariance:
            yield from invariance_rows(network, model)
        images = normal(BATCH, 2, *network.input_shape, dtype=torch.float32)
        yield _multiplications(network.model, model, images[:1])
        yield from step_rows(network.model, model, images)


def build(network: UntrainedNetwork) -> nn.Module:
    """Build a network for the usual input of its study and ten classes."""
    return build_for_input(
        network.model,
        network.options,
        network.external,
        n_classes=N_CLASSES,
        encoding=network,
        input_size=network.input_shape[1:],
    )


def invariance_rows(network: UntrainedNetwork, model: nn.Module) -> Iterator[Property]:
    """Change of the logits by a common phase and a common magnitude of the input; the model ends in single precision.

    A network that is not known to ignore the factor is a control. An external one is measured in single precision,
    the only one of which its layers need to know.
    """
    turns = {f"{angle}°": (math.radians(angle), 1.0) for angle in DEGREES}
    scales = {f"factor {factor:g}": (0.0, factor) for factor in FACTORS}
    images = normal(N_IMAGES, 2, *network.input_shape)
    model.eval()
    for dtype in (torch.float32,) if network.external else DTYPES:
        before = logits_of(model.to(dtype), images.to(dtype))
        for what, factors, tolerance in (
            ("phase", turns, INVARIANT[dtype]),
            ("magnitude", scales, max(OFFSETS, INVARIANT[dtype])),
        ):
            for item, (angle, scale) in factors.items():
                changed = rotate(scale * images, torch.full((N_IMAGES,), angle, dtype=images.dtype))
                yield Property(
                    "network",
                    network.model,
                    f"{what} invariance of the logits",
                    logit_change(before, logits_of(model, changed.to(dtype))),
                    math.nan if network.invariant_to is None else 0.0,
                    tolerance,
                    item=item,
                    dtype=name_of(dtype),
                    is_control=network.invariant_to is not None and what not in network.invariant_to,
                )


@torch.no_grad()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Logits ``(N, K)`` without a gradient."""
    logits: Tensor = model(images)
    return logits


def logit_change(before: Tensor, after: Tensor) -> float:
    """Median over images of the largest change of a logit, over the largest deviation of a logit over the images."""
    spread = before.std(dim=0).max()
    return float((after - before).abs().amax(dim=1).median() / spread)


def _parameters(network: UntrainedNetwork, model: nn.Module) -> Property:
    published = network.published_parameters
    return Property(
        "network",
        network.model,
        "parameters",
        count_parameters(model),
        math.nan if published is None else published,
        ROUNDED_COUNT / 2 if published and published % ROUNDED_COUNT == 0 else 0.0,
        item=f"{'x'.join(map(str, network.input_shape))}, {N_CLASSES} classes",
        source="" if published is None else "the study's count",
    )


def _multiplications(name: str, model: nn.Module, image: Tensor) -> Property:
    """Real multiplications of a pass of one image, in convolutions and products of matrices, as they are computed."""
    model.float().eval()
    native = any(parameter.is_complex() for parameter in model.parameters())
    item = "one image, complex products counted once" if native else "one image"
    counted = multiplications(lambda: logits_of(model, image))
    return Property("network", name, "real multiplications", counted, item=item)


def step_rows(name: str, model: nn.Module, images: Tensor) -> Iterator[Property]:
    """Size of feature maps in training mode, and milliseconds of a pass and of a step without optimiser.

    The maps are those behind the last normalisation of each module, if the network says where that is. The times are
    the least of few steps; a large network takes one.
    """
    ends: dict[int, str] = getattr(model, "module_ends", {})
    sizes: dict[int, tuple[float, int, int]] = {}

    def keep(number: int, maps: Tensor) -> None:
        # At once: the activation that follows works in place.
        sizes[number] = (float(maps.detach().square().mean().sqrt()), maps.shape[2], maps.shape[3])

    handles = [
        model.get_submodule(place).register_forward_hook(lambda _m, _i, maps, at=number: keep(at, maps))
        for number, place in ends.items()
    ]
    spent = _step_seconds(model.train(), images)
    for handle in handles:
        handle.remove()
    for number, (size, height, width) in sizes.items():
        expected = _expected_size(model.get_submodule(ends[number]), height * width)
        yield Property(
            "network",
            name,
            "root mean square of feature maps",
            size,
            expected,
            NORMALISED * expected,
            item=f"module {number}, {height}x{width}",
            dtype=name_of(images.dtype),
            source="Cakaj, Mehnert and Yang 2023, section IV",
        )
    for law, seconds in zip(("forward pass", "training step"), spent, strict=True):
        yield Property(
            "network", name, law, 1e3 * seconds, item=f"{len(images)} images", dtype=name_of(images.dtype), unit="ms"
        )


def _step_seconds(model: nn.Module, images: Tensor) -> tuple[float, float]:
    """Least seconds of the forward pass, and of it with the backward pass."""
    labels = torch.arange(len(images)) % N_CLASSES
    passes: list[float] = []
    steps: list[float] = []
    while not steps or (len(steps) < MOST_STEPS and sum(steps) < ENOUGH_SECONDS):
        start = time.perf_counter()
        logits = model(images)
        passes.append(time.perf_counter() - start)
        functional.cross_entropy(logits, labels).backward()
        steps.append(time.perf_counter() - start)
    return min(passes), min(steps)


def _expected_size(end: nn.Module, n_pixels: int) -> float:
    """Root mean square behind a normalisation at the start; NaN for one without all of its parts."""
    last: Any = [*end.modules()][-1]
    if isinstance(last, nn.BatchNorm2d):
        # Its weights are one, or a smaller gain that a baseline begins with.
        return float(last.weight.detach().square().mean().sqrt())
    # By its name: the properties of networks without such a layer do not follow its code.
    whole = type(last).__name__ == "SpectralBatchNorm2d" and last.options.divide and not last.separate
    return n_pixels**-0.5 if whole else math.nan
