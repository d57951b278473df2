"""Checkpoints: the state of an unfinished run, on disk."""

import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_bytes


@dataclass
class TrainingState:
    """State of a run, from which it resumes as if it had never stopped.

    Random numbers are not part of it: each step derives its own from the seed and its position.
    """

    step: int = 0
    """Steps done."""
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best_model: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    best_accuracy: float = -1.0
    """Of the validation subset, from 0 to 1; -1 before the first validation, and where nothing validates."""
    history: list[dict[str, float]] = field(default_factory=list)
    probes: list[dict[str, float | str]] = field(default_factory=list)
    correct: int = 0
    """Training images since the last validation that were predicted correctly, each before its step."""
    loss_sum: float = 0.0
    """Sum of the batch losses since the last validation."""
    interval_seconds: float = 0.0
    """Time spent in steps since the last validation."""
    train_seconds: float = 0.0
    """Time spent in steps up to the last validation, validations left out."""
    train_images: int = 0
    """Images seen in that time."""
    wall_seconds: float = 0.0
    reader: dict[str, float] = field(default_factory=dict)
    """Totals of the data's reader for the training steps, over all processes and across resumptions."""
    resumed: int = 0
    """Number of times that the run was resumed."""


def save_checkpoint(path: Path, digest: str, state: TrainingState) -> None:
    """Write ``state`` atomically, marked with the run identity's digest."""
    content = {item.name: getattr(state, item.name) for item in fields(state)}
    # torch.save would report a full disk without saying so; a plain write raises an OSError that names it.
    buffer = io.BytesIO()
    torch.save({"digest": digest, "state": content}, buffer)
    write_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path, digest: str) -> TrainingState | None:
    """Read a state back, or return None where there is none.

    Raises
    ------
    PhasebenchError
        The file is corrupt or belongs to another run.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        recorded, state = content["digest"], TrainingState(**content["state"])
    except Exception as error:  # torch.load documents no exception types for damaged files
        raise PhasebenchError(f"{path}: the checkpoint cannot be read; delete it to start the run afresh") from error
    if recorded != digest:
        raise PhasebenchError(
            f"{path}: the checkpoint belongs to another version of the run; delete it to start the run afresh"
        )
    return state
