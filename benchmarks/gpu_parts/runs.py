"""Several small runs at once on one card, with and without NVIDIA's multi-process service (MPS)."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gpu_parts.session import NEEDS_A_CARD, Row, Session, first_line
from gpu_parts.steps import EAGER, GRAPH

COUNTS, CPU_COUNTS = (1, 4, 16), (1, 2)
MPS_CONTROL = "nvidia-cuda-mps-control"
START_SECONDS = 1.0
# Of the part's time, for one form of one number of runs.
SHARE = 0.025
Rates = dict[str, float]


def measure(session: Session) -> None:
    """Rows with the steps per second of all runs together, and the ratio of a step's time to that of one run."""
    _measure(session, "without MPS", {})
    if not session.on_card:
        session.note("with MPS", NEEDS_A_CARD)
    elif shutil.which(MPS_CONTROL) is None:
        session.note("with MPS", f"skipped: no {MPS_CONTROL} on the PATH")
    else:
        with session.attempt("with MPS"), mps_daemon() as environment:
            _measure(session, "with MPS", environment)
            # A run that does not reach the service trains without it and says nothing.
            if not _control("get_server_list", environment).strip():
                raise RuntimeError("the service served no run, so the figures 'with MPS' are without it")


def _measure(session: Session, how: str, environment: Mapping[str, str]) -> None:
    forms = (EAGER, GRAPH) if session.on_card else (EAGER,)
    alone: Rates = {}
    for count in COUNTS if session.on_card else CPU_COUNTS:
        what = f"{count} at once, {how}"
        if not session.has_time(what):
            continue
        with session.attempt(what):
            rates = total_rates(count, forms, session.device, SHARE * session.seconds, environment)
            alone = alone or rates
            for form, rate in rates.items():
                ratio = alone[form] / rate if count > 1 else None
                to = "" if ratio is None else f"1 at once, {how}, {form}"
                session.add(Row(session.part, f"{what}, {form}", 1e3 / rate, rate, "steps/s", ratio, to))


def total_rates(count: int, forms: Sequence[str], device: str, seconds: float, environment: Mapping[str, str]) -> Rates:
    """Steps per second, added up over runs that train at the same time, for each form.

    Raises
    ------
    RuntimeError
        A run ended early; the message is the last line that it printed.
    """
    words = ["-m", "gpu_parts.small_run", "--device", device, "--seconds", str(seconds), "--forms", *forms]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        runs = [
            subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **environment},
            )
            for _ in range(count)
        ]
        try:
            return {form: _one_form(runs, errors) for form in forms}
        finally:
            for run in runs:
                run.kill()
                run.communicate()


def _one_form(runs: Sequence["subprocess.Popen[str]"], errors: IO[str]) -> float:
    for run in runs:
        _answer(run, errors)
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    return sum(float(_answer(run, errors)) for run in runs)


def _answer(run: "subprocess.Popen[str]", errors: IO[str]) -> str:
    assert run.stdout is not None
    if line := run.stdout.readline():
        return line
    errors.seek(0)
    last = errors.read().strip().splitlines()[-1:]
    raise RuntimeError(f"a run ended early: {first_line(''.join(last))}")


@contextmanager
def mps_daemon() -> Iterator[dict[str, str]]:
    """The multi-process service of this process' own, in the foreground, so that it ends with the part.

    Yields
    ------
    dict of str to str
        The environment of its clients.

    Raises
    ------
    RuntimeError
        It does not start.
    """
    with tempfile.TemporaryDirectory() as name:
        folders = {"CUDA_MPS_PIPE_DIRECTORY": f"{name}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{name}/log"}
        for folder in folders.values():
            Path(folder).mkdir()
        words = [MPS_CONTROL, "-f"]
        with subprocess.Popen(words, env={**os.environ, **folders}, stdout=subprocess.DEVNULL) as daemon:
            try:
                with suppress(subprocess.TimeoutExpired):
                    status = daemon.wait(timeout=START_SECONDS)
                    raise RuntimeError(f"{MPS_CONTROL} ended at once with exit status {status}")
                yield folders
            finally:
                if daemon.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        _control("quit", folders)
                daemon.terminate()


def _control(command: str, environment: Mapping[str, str]) -> str:
    """The service's answer to a command."""
    return subprocess.run(
        [MPS_CONTROL],
        input=f"{command}\n",
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    ).stdout
