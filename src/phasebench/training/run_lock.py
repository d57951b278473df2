"""One writer for each run, on all machines that share its folder."""

import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from phasebench.errors import PhasebenchError
from phasebench.scheduler import scheduler_job

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_HELD = {errno.EACCES, errno.EAGAIN}
_RETRY_SECONDS = 0.5


@contextlib.contextmanager
def run_lock(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the run's folder while the block runs.

    The lock is a POSIX record lock on ``<folder>/.lock``: network file systems pass it on between machines, and it ends
    with its process, however that ends.

    Parameters
    ----------
    folder : Path
        The run's folder; it is made where it is missing.
    wait_seconds : float
        How long to wait for another process to let go, as one that was told to stop does within seconds.

    Raises
    ------
    PhasebenchError
        Another process trains this run, or the file system refuses.
    """
    path = folder / ".lock"
    try:
        handle = _acquire(path, wait_seconds)
        handle.truncate(0)
        handle.write(_own_name())
        handle.flush()
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        # Removed while it is still held: whoever waits for this file finds that it is no longer there, and looks again.
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            # A run that was refused leaves nothing, not even its folder.
            folder.rmdir()
        handle.close()


def _acquire(path: Path, wait_seconds: float) -> IO[str]:
    end = time.monotonic() + wait_seconds
    announced = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # The only handle of this process: closing a second one would end the lock.
            handle = path.open("a+", encoding="utf-8")
        except FileNotFoundError:
            # Its last holder has just removed the folder.
            continue
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                print(f"warning: {path}: this file system has no locks; never train a run twice", file=sys.stderr)
                return handle
            if error.errno not in _HELD:
                handle.close()
                raise
        else:
            if _is_current(handle, path):
                return handle
            handle.close()
            continue
        handle.seek(0)
        holder = handle.read().strip() or "another process"
        handle.close()
        if time.monotonic() >= end:
            raise PhasebenchError(
                f"{path.parent}: this run is being trained by {holder}; wait for it, or stop it, and start again"
            )
        if not announced:
            print(f"waiting up to {wait_seconds:.0f} s for {holder} to let go of {path.parent}", flush=True)
            announced = True
        time.sleep(_RETRY_SECONDS)


def _is_current(handle: IO[str], path: Path) -> bool:
    """Whether the locked file is still the one that others would open."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _own_name() -> str:
    job = scheduler_job()
    return f"process {os.getpid()} on {socket.gethostname()}" + (f" (SLURM job {job})" if job else "")
