"""Seconds of a training step of a planned run, on random input of the run's shape, before there are any data."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from phasebench.common.devices import find_device
from phasebench.common.errors import PhasebenchError
from phasebench.common.memory import keep_freed_memory
from phasebench.data.encodings.registry import load_encoding
from phasebench.models.registry import build_for_input, usual_shape
from phasebench.specs.run import Recipe, RunSpec
from phasebench.training.overhead import N_CLASSES, training_step

MOST_STEPS = 5
MOST_SECONDS = 3.0
"""A slow network is timed for fewer steps, but at least one."""
MOST_SAMPLES = 2048
"""Of the whole training set in a step, so many are timed, and the time is scaled."""


@dataclass(frozen=True)
class StepCost:
    """Measured training steps.

    Attributes
    ----------
    seconds
        Mean of a step.
    n_steps
        Timed steps.
    device
        ``cpu``, or the name of the card.
    threads
        Cores that a process used on the CPU.
    """

    seconds: float
    n_steps: int
    device: str
    threads: int


def time_step(
    spec: RunSpec, *, n_samples: int, size: tuple[int, int] | None, n_classes: int | None, device: str
) -> StepCost:
    """Build a run's network and time a few of its steps.

    A step is that of :func:`phasebench.training.overhead.training_step`; of the procedure ``full_batch`` it is
    gradient descent on all training samples in float64. Reading, encoding and augmentation are not part of it.

    Parameters
    ----------
    spec : RunSpec
        The run.
    n_samples : int
        Samples that a step reads, in all processes.
    size : pair of int, optional
        Height and width of the encoded input; the model's usual ones if not given.
    n_classes : int, optional
        Classes; ten if not given.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.

    Raises
    ------
    PhasebenchError
        There is no such device, the network cannot be built, or its step does not fit in the card's memory.
    """
    keep_freed_memory()
    target = find_device(device)
    classes = n_classes or N_CLASSES
    encoding = load_encoding(spec.encoding)
    size = size or usual_shape(spec.model, spec.external)[1:]
    model = build_for_input(
        spec.model, spec.model_options, spec.external, n_classes=classes, encoding=encoding, input_size=size
    )
    in_batches = isinstance(spec.recipe, Recipe)
    batch = n_samples // spec.recipe.processes if in_batches else min(n_samples, MOST_SAMPLES)
    scaled = 1.0 if in_batches else n_samples / batch
    try:
        images = torch.randn(
            batch, 2, encoding.n_channels, *size, device=target, dtype=torch.float32 if in_batches else torch.float64
        )
        labels = torch.arange(batch, device=target) % classes
        if isinstance(spec.recipe, Recipe):
            step = training_step(model, spec.recipe, images, labels)
        else:
            step = _descent_step(model, images, labels, spec.recipe.learning_rate)
        seconds = _timed(step)
    except torch.OutOfMemoryError as error:
        raise PhasebenchError(f"{spec.id}: a step does not fit in the memory of the card") from error
    name = torch.cuda.get_device_name() if target.type == "cuda" else "cpu"
    return StepCost(scaled * sum(seconds) / len(seconds), len(seconds), name, torch.get_num_threads())


def _descent_step(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, learning_rate: float
) -> Callable[[], None]:
    model.to(images.device, torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

    def step() -> None:
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if images.device.type == "cuda":
            torch.cuda.synchronize()

    return step


def _timed(step: Callable[[], None]) -> list[float]:
    """Seconds of a few calls; the first counts only where it takes so long that there is no other."""
    first = _seconds(step)
    if first >= MOST_SECONDS:
        return [first]
    seconds: list[float] = []
    while len(seconds) < MOST_STEPS and sum(seconds) < MOST_SECONDS:
        seconds.append(_seconds(step))
    return seconds


def _seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
