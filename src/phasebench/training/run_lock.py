"""Lock of a run's folder: one writer at a time, on all machines that share it."""

import contextlib
import errno
import fcntl
import io
import logging
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.scheduler import scheduler_job

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_HELD = {errno.EACCES, errno.EAGAIN}
_REMOVED = {errno.ENOENT, errno.ESTALE}
_RETRY_SECONDS = 0.5
_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def run_lock(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of the run's folder while the block runs.

    The lock is a POSIX record lock on ``<folder>/.lock``. NFSv4, GPFS, and Lustre mounted with ``flock`` pass it on
    between machines, and it ends with its process, however that ends. The file says who holds it.

    Parameters
    ----------
    folder : Path
        The run's folder; it is made where it is missing.
    wait_seconds : float
        Time to wait for another process to release the lock, as one that was told to stop does within seconds. A
        signal ends the wait.

    Raises
    ------
    PhasebenchError
        Another process trains this run, or the file system refuses.
    """
    path = folder / ".lock"
    handle = None
    try:
        handle = _acquire(path, wait_seconds)
        _sign(handle)
    except OSError as error:
        if handle is not None:
            _release(handle, path)
        raise PhasebenchError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        _release(handle, path)


def is_locked(folder: Path) -> bool:
    """True if another process holds the lock of the run's folder, as far as the file system tells."""
    try:
        with (folder / ".lock").open("rb") as handle:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD
    return False


def _acquire(path: Path, wait_seconds: float) -> io.FileIO:
    end = time.monotonic() + wait_seconds
    announced = False
    while True:
        # The only handle of this process: closing a second one would end the lock.
        handle = _open(path)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(handle, path):
                return handle
            holder = None
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                _LOGGER.warning("%s: this file system has no locks; do not train a run twice at the same time", path)
                return handle
            if error.errno not in _HELD | _REMOVED:
                handle.close()
                raise
            holder = _read_holder(handle) if error.errno in _HELD else None
        handle.close()
        if holder is None:
            # Its last holder removed the file after it was opened here.
            continue
        if time.monotonic() >= end:
            raise PhasebenchError(
                f"{path.parent}: this run is being trained by {holder}; wait for it, or stop it, and start again"
            )
        if not announced:
            _LOGGER.info("waiting up to %.0f s for %s to release %s", wait_seconds, holder, path.parent)
            announced = True
        time.sleep(_RETRY_SECONDS)


def _open(path: Path, attempts: int = 100) -> io.FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a full disk is noticed by the call that meets it, and by no later one.
        return path.open("a+b", buffering=0)
    except (FileExistsError, FileNotFoundError):
        # The last holder has just removed the folder; or it is a link that leads nowhere, and stays so.
        if not attempts:
            raise
        return _open(path, attempts - 1)


def _is_current(handle: io.FileIO, path: Path) -> bool:
    """True if the locked file is still the one that others would open."""
    locked = os.fstat(handle.fileno())
    # A network file system may remember a path for seconds; it asks for the links anew when it locks.
    return locked.st_nlink > 0 and os.path.samestat(locked, path.stat())


def _sign(handle: io.FileIO) -> None:
    job = scheduler_job()
    name = f"process {os.getpid()} on {socket.gethostname()}" + (f" (SLURM job {job})" if job else "")
    handle.truncate(0)
    handle.write(f"{name} since {datetime.now(UTC).isoformat(timespec='seconds')}".encode())
    # Other machines see only what has left this one's cache.
    os.fsync(handle.fileno())


def _read_holder(handle: io.FileIO) -> str:
    try:
        handle.seek(0)
        return handle.read().decode(errors="replace").strip() or "another process"
    except OSError:
        return "another process"


def _release(handle: io.FileIO, path: Path) -> None:
    with contextlib.suppress(OSError):
        # Removed while it is still held: whoever waits for this file finds that it is no longer there, and looks again.
        path.unlink()
        # A run that was refused leaves nothing, not even its folder.
        path.parent.rmdir()
    handle.close()
