"""The command that says what a site offers."""

import errno
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit import check as check_module
from snakemake_executor_plugin_submitit import cluster as cluster_module
from snakemake_executor_plugin_submitit.check import main
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError

ANSWERS = {
    "scontrol": "MaxArraySize            = 1001\n",
    "sinfo": "cpu*|up|1-00:00:00|16|16000|(null)\ngpu|up|infinite|8|32000|gpu:a100:4(S:0-1)\n"
    "old|down|1:00|1|1|(null)\n",
    "sacctmgr": "lab\nlab\nother\n",
}


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    answers = dict(ANSWERS)

    def call(*command: str) -> str:
        if command == ("sinfo", "--version"):
            return "slurm-wlm 22.05.8\n"
        if command[0] not in answers:
            raise SlurmError(f"{command[0]}: disabled")
        return answers[command[0]]

    for module in (check_module, cluster_module):
        monkeypatch.setattr(module, "call_slurm", call)
    return answers


def test_a_site_is_described(slurm: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--folder", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "ok slurm slurm-wlm 22.05.8",
        "ok partition cpu (default): at most 1440 min, 16 cores, 16000 MB",
        "ok partition gpu: no time limit, 8 cores, 32000 MB, 4 GPUs a node a100",
        "ok partition old: at most 1 min, 1 cores, 1 MB, down",
        "note accounting sacct does not answer: jobs are looked up in squeue alone (sacct: disabled)",
        "ok account lab, other",
        f"ok locks {tmp_path}: works",
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said(
    slurm: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: object, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(check_module.fcntl, "lockf", no_locks)
    slurm["scontrol"] = "MaxArraySize            = 0\n"
    slurm["sinfo"] = "cpu*|up|1-00:00:00|16|16000|(null)\n"
    assert main(["check", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for sentence in ("no partition has GPUs", "job arrays are switched off", "no locks; start one Snakemake at a time"):
        assert sentence in said
    assert main(["check", "--folder", str(tmp_path / "gone")]) == 1


def test_without_slurm_jobs_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*command: str) -> str:
        raise SlurmError(f"{command[0]}: not found; is this a login node of a SLURM cluster?")

    monkeypatch.setattr(check_module, "call_slurm", fails)
    assert main(["check", "--folder", str(tmp_path)]) == 1
