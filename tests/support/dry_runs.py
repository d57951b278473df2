"""The workflow through Snakemake's command line, in a copy of the repository, and the jobs that a dry run names."""

import os
import re
import subprocess
import sys
from pathlib import Path


def snakemake(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start Snakemake in a checkout."""
    # The rules have to find the copy's code by themselves.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def succeeds(checkout: Path, *arguments: str) -> str:
    """What Snakemake says, where it has to succeed."""
    result = snakemake(checkout, *arguments)
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
    succeeds(checkout, "--touch", "--forceall", "--cores", "1")
    assert planned(checkout) == set()
