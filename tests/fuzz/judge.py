"""Judgement of what a reader does with an input: it reads it, or refuses it in one line, within time and memory."""

import contextlib
import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from snakemake_interface_common.exceptions import WorkflowError

import phasebench
from phasebench.common.errors import PhasebenchError

Outcome = Literal["clean", "accepted", "traceback", "hang", "memory"]
BAD: tuple[Outcome, ...] = ("traceback", "hang", "memory")
SECONDS = 20
_BATCH = 25
_SECONDS_MORE = 5
_MORE_BYTES = 3 << 30
_HUNG = -1
_PACKAGE = Path(phasebench.__file__).parent


class HangError(BaseException):
    """The reader took longer than allowed."""


def judge(read: Callable[[], object]) -> tuple[Outcome, str]:
    """Call a reader; return the outcome, and the message or the place of the fault."""
    try:
        with _limits():
            read()
    except (PhasebenchError, WorkflowError) as error:
        text = str(error)
        return ("clean" if len(text.splitlines()) == 1 else "traceback"), text[:300]
    except HangError as error:
        return "hang", _place(error)
    except MemoryError as error:
        return "memory", _place(error)
    except BaseException as error:
        return "traceback", f"{_place(error)}: {type(error).__name__}: {str(error)[:150]}"
    return "accepted", ""


def judge_in_children(
    read: Callable[[], object], path: Path, contents: Sequence[bytes]
) -> Iterator[tuple[Outcome, str]]:
    """Judge contents of a file in processes of their own, whose death by a signal is an outcome too."""
    position = 0
    while position < len(contents):
        answers, status = _judged_by_child(read, path, contents[position : position + _BATCH])
        yield from answers
        position += len(answers)
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            yield ("memory" if name == "SIGKILL" else "traceback"), f"killed by {name}"
            position += 1
        elif status == _HUNG:
            yield "hang", f"no answer in {SECONDS + _SECONDS_MORE} s"
            position += 1


def _judged_by_child(
    read: Callable[[], object], path: Path, contents: Sequence[bytes]
) -> tuple[list[tuple[Outcome, str]], int]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    if not (child := os.fork()):
        for content in contents:
            path.write_bytes(content)
            sender.send(judge(read))
        os._exit(0)
    sender.close()
    answers: list[tuple[Outcome, str]] = []
    with receiver, contextlib.suppress(EOFError):
        while receiver.poll(SECONDS + _SECONDS_MORE):
            answers.append(receiver.recv())
        # A loop inside a library lets no handler of a signal run.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return answers, _HUNG
    return answers, os.waitpid(child, 0)[1]


@contextmanager
def _limits() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_memory_in_use() + _MORE_BYTES, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def _memory_in_use() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if str(_PACKAGE) in frame.filename or "executor" in frame.filename]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
