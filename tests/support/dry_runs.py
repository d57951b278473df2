"""The workflow through Snakemake's command line, in a copy of the repository, and the jobs that a dry run names."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from phasebench.provenance.integrity import KnownFiles
from phasebench.specs.paths import Results

SERVER = Path(__file__).with_name("snakemake_server.py")


def snakemake(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start Snakemake in a checkout, in a process of its own that runs the checkout's code from the beginning."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=checkout, env=_environment(), capture_output=True, text=True)


def forked_snakemake(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a fork of the server.

    It plans with the code of the repository, from the files of the checkout; its jobs run the checkout's code.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = {stream: Path(folder, stream) for stream in ("stdout", "stderr")}
        request = {"folder": str(checkout), "arguments": arguments, **{name: str(outputs[name]) for name in outputs}}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        texts = (outputs[stream].read_text(encoding="utf-8") for stream in ("stdout", "stderr"))
        return subprocess.CompletedProcess(["snakemake", *arguments], status, *texts)


@functools.cache
def _server() -> subprocess.Popen[str]:
    """One server for this process; it ends when its input does."""
    return subprocess.Popen(
        [sys.executable, str(SERVER)], env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _environment() -> dict[str, str]:
    # The rules have to find the checkout's code by themselves.
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def succeeds(checkout: Path, *arguments: str) -> str:
    """Run Snakemake in a fork of the server and return what it prints; it has to succeed."""
    result = forked_snakemake(checkout, *arguments)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    return output


def planned(checkout: Path, *config: str) -> set[str]:
    """What a dry run would do: the messages of its jobs, each of which names its rule and all its wildcards."""
    output = succeeds(checkout, "--dry-run", "--cores", "1", *(["--config", *config] if config else []))
    jobs = re.findall(r"^Job \d+: (.*)$", output, re.MULTILINE)
    assert len(set(jobs)) == len(jobs)
    assert bool(jobs) != ("Nothing to be done" in output)
    return set(jobs)


def replace(path: Path, old: str, new: str) -> str:
    """Replace the first occurrence; return the text as it was."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text


def pretend_finished(checkout: Path) -> None:
    """Leave what a finished benchmark leaves for Snakemake: every file, empty, and the records of its jobs.

    Nothing but Snakemake's own records then says what is current.
    """
    summary = succeeds(checkout, "--summary").splitlines()
    outputs = [line.split("\t")[0] for line in summary if line.count("\t") >= 5][1:]
    assert outputs
    for output in outputs:
        path = checkout / output
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
    take_for_whole(checkout)
    succeeds(checkout, "--touch", "--forceall", "--no-hooks", "--cores", "1")
    take_for_whole(checkout)
    assert planned(checkout) == set()


def take_for_whole(checkout: Path) -> None:
    """Let no result count as damaged, whatever it holds."""
    for folder in (checkout / "results").iterdir():
        known = KnownFiles(Results(folder))
        for path in folder.rglob("*.*"):
            known.learn(path)
        known.save()
