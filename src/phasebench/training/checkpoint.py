"""Checkpoints: the state of an unfinished run, on disk."""

import hashlib
import io
import logging
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_bytes

_LOGGER = logging.getLogger(__name__)
_COMMENT = b"sha256 "
_COMMENT_BYTES = len(_COMMENT) + 64
_LENGTH_BYTES = 2


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
    """Write ``state`` atomically, marked with the run identity's digest; the checkpoint before is kept.

    The file is what ``torch.save`` writes, an archive whose comment is the checksum of all before it.
    """
    content = {item.name: getattr(state, item.name) for item in fields(state)}
    # torch.save would report a full disk without saying so; a plain write raises an OSError that names it.
    buffer = io.BytesIO()
    torch.save({"digest": digest, "state": content}, buffer)
    # An archive without comment ends in the length of its comment, two bytes of zero.
    buffer.seek(-_LENGTH_BYTES, io.SEEK_END)
    buffer.write(_COMMENT_BYTES.to_bytes(_LENGTH_BYTES, "little"))
    buffer.write(_comment(buffer.getbuffer()))
    write_bytes(path, buffer.getbuffer(), previous=previous_checkpoint(path))


def load_checkpoint(path: Path, digest: str, set_aside: bool = True) -> TrainingState | None:
    """Read the last state back that is whole, or return None where there is none.

    Parameters
    ----------
    path : Path
        The checkpoint; the one before lies beside it.
    digest : str
        Digest of the run's identity.
    set_aside : bool
        Whether to rename a damaged checkpoint, as one process of a run does.

    Raises
    ------
    PhasebenchError
        The file cannot be read or belongs to another run.
    """
    for candidate in (path, previous_checkpoint(path)):
        try:
            content = memoryview(candidate.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise PhasebenchError(f"{candidate}: the checkpoint cannot be read: {error.strerror}") from error
        if len(content) > _COMMENT_BYTES and _comment(content[:-_COMMENT_BYTES]) == content[-_COMMENT_BYTES:]:
            return _state(candidate, content, digest)
        if set_aside:
            _set_aside(candidate)
    return None


def remove_checkpoints(path: Path) -> None:
    """Remove the checkpoint of a finished run and the one before."""
    for file in (path, previous_checkpoint(path)):
        file.unlink(missing_ok=True)


def previous_checkpoint(path: Path) -> Path:
    """Place of the checkpoint before the last one."""
    return path.with_name(f"{path.name}.previous")


def _state(path: Path, content: memoryview, digest: str) -> TrainingState:
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        recorded, state = loaded["digest"], TrainingState(**loaded["state"])
    except Exception as error:  # torch.load documents no exception types
        raise PhasebenchError(f"{path}: no checkpoint of this program; delete it to start the run afresh") from error
    if recorded != digest:
        raise PhasebenchError(
            f"{path}: the checkpoint belongs to another version of the run; delete it to start the run afresh"
        )
    return state


def _set_aside(path: Path) -> None:
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
    except OSError as error:
        raise PhasebenchError(
            f"{path}: the checkpoint is damaged and cannot be set aside: {error.strerror}; remove it"
        ) from error
    _LOGGER.warning("%s: the checkpoint is damaged; set aside as %s", path, aside.name)


def _comment(content: bytes | memoryview) -> bytes:
    return _COMMENT + hashlib.sha256(content).hexdigest().encode()
