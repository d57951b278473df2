"""The ledger of submitted jobs: what a later Snakemake reads from it."""

import errno
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_submitit import ledger as ledger_module
from snakemake_executor_plugin_submitit.job_identity import Member
from snakemake_executor_plugin_submitit.ledger import Ledger

JOBS = [("key0", "print0", "train run=a"), ("key1", "print1", "train run=b")]


def reopen(ledger: Ledger) -> Ledger:
    ledger.close()
    return Ledger(ledger.path.parent, "slurm")


def test_open_entries_are_found_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new", "slurm")
    assert ledger.open_entries == {}
    ledger.announce("s1", JOBS)
    ledger.queued("s1", ["12_0", "12_1"])
    ledger.ended("12_0", "success")
    ledger = reopen(ledger)
    (entry,) = ledger.open_entries.values()
    assert (entry.job_id, entry.submission, entry.key, entry.fingerprint) == ("12_1", "s1", "key1", "print1")
    assert entry.description == "train run=b"
    assert ledger.unanswered == []
    ledger.close()


def test_a_cancelled_job_may_still_be_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    ledger.announce("s1", JOBS)
    ledger.queued("s1", ["12_0", "12_1"])
    ledger.ended("12_0", "cancelled")
    ledger = reopen(ledger)
    assert {key: entry.cancelled for key, entry in ledger.open_entries.items()} == {"key0": True, "key1": False}
    ledger.ended("12_0", "gone")
    ledger = reopen(ledger)
    assert list(ledger.open_entries) == ["key1"]
    ledger.close()


def test_a_submission_cut_off_is_unanswered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    ledger.announce("s1", JOBS)
    ledger.announce("s2", JOBS[:1])
    ledger.refused("s2")
    ledger = reopen(ledger)
    assert (ledger.open_entries, ledger.unanswered) == ({}, ["s1"])
    ledger.close()


def test_the_latest_submission_of_a_job_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    for submission, job_id in (("s1", "12"), ("s2", "13")):
        ledger.announce(submission, JOBS[:1])
        ledger.queued(submission, [job_id])
    ledger = reopen(ledger)
    assert ledger.open_entries["key0"].job_id == "13"
    ledger.close()


def test_half_a_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    ledger.announce("s1", JOBS[:1])
    ledger.queued("s1", ["12"])
    ledger.close()
    with ledger.path.open("a") as handle:
        handle.write('{"event": "ended", "id": "1')
    ledger = Ledger(tmp_path, "slurm")
    assert ledger.open_entries["key0"].job_id == "12"
    ledger.ended("12", "failed")
    ledger.close()
    assert [json.loads(line)["event"] for line in ledger.path.read_text().splitlines()] == ["submit", "queued", "ended"]


def test_jobs_of_another_cluster_are_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "local")
    ledger.announce("s1", JOBS[:1])
    ledger.queued("s1", ["4711"])
    ledger = reopen(ledger)
    assert ledger.open_entries == {}
    ledger.close()


def test_one_snakemake_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from snakemake_executor_plugin_submitit.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), 'slurm')\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WorkflowError, match=f"Another Snakemake .process {holder.pid} on "):
            Ledger(tmp_path, "slurm")
    finally:
        holder.kill()
        holder.wait()
    # The lock dies with its holder.
    Ledger(tmp_path, "slurm").close()


def test_lines_that_cannot_be_read_are_named_and_skipped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    for number, submission in enumerate(("s1", "s2", "s3")):
        ledger.announce(submission, JOBS[:1])
        ledger.queued(submission, [str(12 + number)])
    ledger.close()
    lines = ledger.path.read_text().splitlines()
    # The second submission's announcement, its ids from then on without a description; and a block of zeros.
    lines[2] = lines[2][:20]
    lines[4] = "\0" * 512 + lines[4]
    lines.insert(4, "[1]")
    ledger.path.write_text("\n".join(lines) + "\n")
    ledger = Ledger(tmp_path, "slurm")
    assert [entry.job_id for entry in ledger.entries] == ["12", "14"]
    assert ledger.orphans == ["13"]
    assert ledger.warnings == [f"{ledger.path}: cannot be read in line 3, 5, which is skipped."]
    ledger.ended("13", "gone")
    ledger = reopen(ledger)
    assert ledger.orphans == []
    ledger.close()


def test_members_of_a_group_are_found_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "slurm")
    ledger.announce("s1", [["a+b", "1+2", "two jobs", [["a", "1", []], ["b", "2", ["made"]]]]])
    assert reopen(ledger).keys_of("s1") == ["a", "b"]
    ledger = Ledger(tmp_path / "other", "slurm")
    ledger.announce("s1", [["a+b", "1+2", "two jobs", [["a", "1", []], ["b", "2", ["made"]]]]])
    ledger.queued("s1", ["12.0"])
    (entry,) = reopen(ledger).entries
    assert entry.members == (Member("a", "1"), Member("b", "2", ("made",)))
    assert entry.slurm_id == "12"


def test_a_file_system_without_locks_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(ledger_module.fcntl, "lockf", no_locks)
    ledger = Ledger(tmp_path, "slurm")
    (warning,) = ledger.warnings
    assert "the file system has no locks" in warning
    ledger.close()
    # A Snakemake on this machine is recognised without them.
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "snakemake"])
    try:
        (tmp_path / "lock").write_text(f"process {holder.pid} on {socket.gethostname()}\n")
        with pytest.raises(WorkflowError, match=f"Another Snakemake .process {holder.pid} on "):
            Ledger(tmp_path, "slurm")
    finally:
        holder.kill()
        holder.wait()


def test_somebody_elses_folder_is_named_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    Ledger(tmp_path, "slurm").close()
    monkeypatch.setattr(ledger_module.Path, "open", denied)
    with pytest.raises(WorkflowError, match=r"lock: Permission denied \(it belongs to \w+\)") as caught:
        Ledger(tmp_path, "slurm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"event": "submit", "cluster": "slurm", "submission": "x", "jobs": [5]}']
)
def test_a_line_of_another_form_is_skipped(tmp_path: Path, line: str) -> None:
    (tmp_path / "ledger.jsonl").write_text(line + "\n")
    ledger = Ledger(tmp_path, "slurm")
    assert ledger.unanswered == []
    assert ledger.warnings == [f"{ledger.path}: cannot be read in line 1, which is skipped."]
    ledger.close()
