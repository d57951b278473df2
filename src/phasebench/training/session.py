"""Resume, save and stop an unfinished run: the state, the clock and the checkpoint that all procedures share."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from phasebench.common.errors import InterruptedRunError, PhasebenchError
from phasebench.common.heartbeat import beat
from phasebench.common.processes import ALONE, Processes
from phasebench.common.progress import track
from phasebench.common.scheduler import report_progress
from phasebench.training.checkpoint import TrainingState, load_checkpoint, remove_checkpoints, save_checkpoint
from phasebench.training.clock import Clock
from phasebench.training.interrupt import StopRequest

_LOGGER = logging.getLogger(__name__)
# On a GPU, looking at a loss waits for the device; a NaN is found as well, only later.
STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 100}


class Session:
    """One process's part in a run, from the checkpoint, if there is one, to the end or to a request to stop.

    A procedure calls :meth:`resume`, loops over :meth:`steps` inside a ``with`` block, which turns signals into
    requests to stop, and calls :meth:`save` wherever :meth:`must_save` says so.

    Parameters
    ----------
    checkpoint : Path
        The checkpoint of the unfinished run.
    digest : str
        Digest of the run's identity; a checkpoint of another run is refused.
    seconds : float
        Time between two checkpoints.
    processes : Processes
        All processes that train the run; the first one writes the checkpoint.
    """

    def __init__(self, checkpoint: Path, digest: str, seconds: float = 60.0, processes: Processes = ALONE) -> None:
        self.checkpoint, self.digest, self.seconds, self.processes = checkpoint, digest, seconds, processes
        self.state = TrainingState()
        self.clock = Clock(self.state)
        self._stop, self._stops = StopRequest(), False
        self._n_steps = 0

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> TrainingState:
        """Put a model, and its optimizer, where the last whole checkpoint left them, and return its state.

        Where there is none the state is a fresh one.

        Raises
        ------
        PhasebenchError
            The checkpoint belongs to another run.
        """
        state = load_checkpoint(self.checkpoint, self.digest, set_aside=self.processes.is_first)
        if state is not None:
            try:
                model.load_state_dict(state.model)
                if optimizer is not None:
                    optimizer.load_state_dict(state.optimizer)
                state.resumed += 1
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise PhasebenchError(
                    f"{self.checkpoint}: the checkpoint does not fit the network; delete it to start the run afresh"
                ) from error
            self.state = state
            if self.processes.is_first:
                _LOGGER.info("resuming at step %d", state.step)
        return self.state

    def __enter__(self) -> Self:
        self.clock = Clock(self.state)
        self._stop.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.__exit__(*error)
        self.state.wall_seconds = self.clock.wall

    def steps(self, n_steps: int, description: str) -> Iterable[int]:
        """The steps that are left of ``n_steps``, counted from 0; the first process shows the progress."""
        self._n_steps = n_steps
        left = range(self.state.step, n_steps)
        return track(left, description) if self.processes.is_first else left

    def must_save(self) -> bool:
        """True if this step ends in a checkpoint, since one is due or a process was asked to stop.

        All processes have to ask; they get the same answer.
        """
        is_due = self.processes.is_first and self.clock.since_save >= self.seconds
        beat()
        self._stops, saves = self.processes.any(bool(self._stop), is_due)
        return saves or self._stops

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Write the checkpoint, and stop here if that was asked for.

        Raises
        ------
        InterruptedRunError
            A signal asked this process or another one to stop.
        """
        if self.processes.is_first:
            self.state.interval_seconds, self.state.wall_seconds = self.clock.interval, self.clock.wall
            self.state.model = copy_of_weights(model)
            if optimizer is not None:
                self.state.optimizer = optimizer.state_dict()
            save_checkpoint(self.checkpoint, self.digest, self.state)
            report_progress(self.state.step)
            self.clock.saved()
        if self._stops:
            reason = self._stop.signal or "another of its processes"
            raise InterruptedRunError(f"stopped by {reason} after step {self.state.step} of {self._n_steps}")

    def finish(self) -> None:
        """Remove the checkpoints of the finished run."""
        remove_checkpoints(self.checkpoint)


def copy_of_weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's state as it is now, on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
