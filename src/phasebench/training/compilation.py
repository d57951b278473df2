"""Compilation of a network with ``torch.compile`` where the machine has a compiler, and what came of it."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]
COMPILED = "torch.compile"
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Counts:
    """Counts of torch's compiler over the whole process."""

    frames: int
    """Functions that it tried to compile."""
    compiled: int
    breaks: int
    """Places where a graph had to end."""

    @classmethod
    def now(cls) -> "_Counts":
        counters = torch._dynamo.utils.counters
        frames = counters["frames"]
        return cls(frames["total"], frames["ok"], sum(counters["graph_break"].values()))

    def since(self, earlier: "_Counts") -> "_Counts":
        return _Counts(self.frames - earlier.frames, self.compiled - earlier.compiled, self.breaks - earlier.breaks)

    def plus(self, other: "_Counts") -> "_Counts":
        return _Counts(self.frames + other.frames, self.compiled + other.compiled, self.breaks + other.breaks)


class CompiledForward:
    """The compiled form of a network. What the compiler fails on runs eagerly, and is counted and logged.

    Parameters
    ----------
    model : nn.Module
        The network.
    backend : str or callable
        Of ``torch.compile``.
    """

    def __init__(self, model: nn.Module, backend: str | Callable[..., Any] = "inductor") -> None:
        # A graph that the compiler fails on is run as it stands instead of ending the run.
        torch._dynamo.config.suppress_errors = True
        self._forward: Forward = torch.compile(model, dynamic=False, backend=backend)
        self._counts = _Counts(0, 0, 0)

    def __call__(self, planes: Tensor) -> Tensor:
        """Logits; the first call compiles, and so does one with another batch size."""
        before = _Counts.now()
        logits = self._forward(planes)
        found = _Counts.now().since(before)
        if found.frames:
            self._counts = self._counts.plus(found)
            if not self.is_whole:
                _LOGGER.warning("%s", self.outcome)
        return logits

    @property
    def is_whole(self) -> bool:
        """True if all calls so far ran compiled, each as one graph; False before the first call."""
        counts = self._counts
        return 0 < counts.frames == counts.compiled and not counts.breaks

    @property
    def outcome(self) -> str:
        """The form in which the calls so far ran, for people."""
        counts = self._counts
        if self.is_whole:
            return COMPILED
        if not counts.compiled:
            return "eager: torch.compile failed" if counts.frames else "not yet compiled"
        eager = counts.frames - counts.compiled
        return f"partly compiled: {eager} of {counts.frames} functions ran eagerly, {counts.breaks} graph breaks"


def compile_if_possible(model: nn.Module) -> tuple[Forward, str]:
    """``torch.compile`` the model if its device has a compiler.

    Returns
    -------
    forward : callable
        A :class:`CompiledForward`, or the model itself.
    how : str
        The form that was chosen, and the reason, for the log.
    """
    device = next(model.parameters()).device.type
    if device == "cpu" and shutil.which("g++") is None and shutil.which("clang++") is None:
        return model, "eager: no C++ compiler on this machine"
    return CompiledForward(model), COMPILED


def ran_compiled(forward: Forward) -> bool:
    """True if a form of a network ran compiled in all its calls, as one graph each."""
    return isinstance(forward, CompiledForward) and forward.is_whole
