"""Calls of SLURM's commands."""

import os
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm, clean_environment


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command on the path, for the test to write."""
    path = tmp_path / "squeue"
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def test_variables_that_set_options_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"SLURM_CONF": "/etc/slurm.conf", "SLURM_JWT": "token", "SLURM_CLUSTERS": "here", "HOME": "/home/me"}
    others = """
        SLURM_ARRAY_JOB_ID SLURM_MEM_PER_CPU SLURM_TRES_PER_TASK SBATCH_PARTITION SBATCH_EXPORT SRUN_CPUS_PER_TASK
        SQUEUE_PARTITION SACCT_FORMAT SINFO_PARTITION SCANCEL_STATE SALLOC_QOS
    """
    theirs = dict.fromkeys(others.split(), "x")
    for name, value in {**ours, **theirs}.items():
        monkeypatch.setenv(name, value)
    found = clean_environment()
    assert {name: found.get(name) for name in ours} == ours
    assert not set(theirs) & set(found)


def test_the_reason_is_the_last_line_that_says_one(command: Path) -> None:
    command.write_text(
        "#!/bin/sh\necho \"squeue: error: unrecognized option '--me'\" >&2\necho 'Try \"squeue --help\"' >&2\nexit 1\n"
    )
    with pytest.raises(SlurmError, match=r"^squeue: unrecognized option '--me'$"):
        call_slurm("squeue")
    command.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SlurmError, match=r"^squeue: status 3$"):
        call_slurm("squeue")
    with pytest.raises(SlurmError, match="snowhere: not found"):
        call_slurm("snowhere")


def test_ctrl_c_on_the_terminal_does_not_reach_a_command(command: Path) -> None:
    command.write_text("#!/bin/sh\nps -o pgid= -p $$\n")
    assert int(call_slurm("squeue")) != os.getpgrp()
