"""Atomic write: a reader finds the old file or the whole new one."""

import uuid
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a text into a file beside, which then takes the file's place.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full; the old file stays, and nothing else.
    """
    # Two starts of one job may write at the same time.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
