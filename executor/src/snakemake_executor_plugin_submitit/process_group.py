"""Process group of a command and all its descendants, stopped as a whole."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

# SIGTERM lets training write its checkpoint. The script outlives whoever started it: the end of its input means that
# the owner of the group died without saying "done".
_WATCHDOG = """
trap '' TERM INT USR1 USR2
read -r word && exit
kill -s TERM -- -"$1" 2>/dev/null || exit
for _ in $(seq "$2"); do
    sleep 1
    kill -s 0 -- -"$1" 2>/dev/null || exit
done
kill -s KILL -- -"$1" 2>/dev/null
"""

# The command starts when its watchdog does, and never if the owner dies before.
_GATE = 'read -r word || exit; exec bash -c "$1" </dev/null'


class ProcessGroup:
    """A running shell command with all its descendants.

    The processes do not receive the signals in ``deaf_to``, which a scheduler may send to every process of a job. If
    the owner dies, even of SIGKILL, a watchdog stops the group.

    Parameters
    ----------
    command : str
        For bash.
    folder : Path
        The working directory.
    deaf_to : set of signals
        Blocked in the group.
    grace_seconds : float
        Time between SIGTERM and SIGKILL when the group is stopped.
    log : Path, optional
        File to which the output is added; otherwise it goes where this process's goes.
    variables : mapping, optional
        Added to the environment.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        deaf_to: set[signal.Signals],
        grace_seconds: float,
        log: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._grace = grace_seconds
        self._told: float | None = None
        # A blocked signal stays blocked in all descendants, from before their first instruction on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, deaf_to)
        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(log.open("ab")) if log is not None else None
                self._leader = subprocess.Popen(
                    ["bash", "-c", _GATE, "gate", command],
                    cwd=folder,
                    env={**os.environ, **(variables or {})},
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT if output is not None else None,
                    start_new_session=True,
                )
            self._watchdog = subprocess.Popen(
                ["bash", "-c", _WATCHDOG, "watchdog", str(self._leader.pid), str(max(1, round(grace_seconds)))],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _say(self._leader, "go")

    def poll(self) -> int | None:
        """Exit status of the command, or None while it runs."""
        return self._leader.poll()

    def tell(self) -> None:
        """SIGTERM to the group, from which on its grace time counts."""
        if self._told is None:
            self._told = time.monotonic()
            self._send(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM to the group, SIGKILL to what is left after the grace time; returns when nothing is left."""
        self.tell()
        end = (self._told or time.monotonic()) + self._grace
        while self._alive() and time.monotonic() < end:
            time.sleep(0.1)
        while self._alive():
            self._send(signal.SIGKILL)
            time.sleep(0.1)
        self._dismiss_watchdog()

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leader.pid, number)

    def _alive(self) -> bool:
        self._leader.poll()
        for process in psutil.process_iter():
            try:
                member = os.getpgid(process.pid) == self._leader.pid
                # A zombie whose parent is slow to ask for its status still counts as a member of the group.
                if member and process.status() != psutil.STATUS_ZOMBIE:
                    return True
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        return False

    def _dismiss_watchdog(self) -> None:
        if self._watchdog.poll() is None:
            _say(self._watchdog, "done")
        self._watchdog.wait()


def _say(process: subprocess.Popen[bytes], word: str) -> None:
    """Write one line to a process that waits for it, and nothing after."""
    if process.stdin is not None and not process.stdin.closed:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{word}\n".encode())
            process.stdin.close()
