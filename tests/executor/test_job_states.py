"""States of jobs from sacct and squeue."""

import time

import pytest

from snakemake_executor_plugin_submitit import job_states as states_module
from snakemake_executor_plugin_submitit.cluster import SlurmError
from snakemake_executor_plugin_submitit.job_states import JobState, SlurmStatus, read_tasks


class FakeSlurm:
    """Answers of sacct and squeue; None is a command that fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sacct: str | None = None
        self.squeue: str | None = ""
        self.calls: list[str] = []
        monkeypatch.setattr(states_module, "call_slurm", self)

    def __call__(self, *command: str) -> str:
        self.calls.append(command[0])
        answer = self.sacct if command[0] == "sacct" else self.squeue
        if answer is None:
            raise SlurmError(f"{command[0]}: down")
        return answer


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(monkeypatch)


def states(found: dict[str, JobState] | None) -> dict[str, str]:
    assert found is not None
    return {job_id: state.state for job_id, state in found.items()}


def test_without_accounting_squeue_is_asked_once_a_poll(slurm: FakeSlurm) -> None:
    slurm.squeue = "12_0|RUNNING|None\n12_1|PENDING|Priority\n99|RUNNING|None\n13|FAILED|NonZeroExitCode\n"
    status = SlurmStatus()
    found = status.query(["12_0", "12_1", "13", "14"])
    assert states(found) == {"12_0": "RUNNING", "12_1": "PENDING", "13": "FAILED", "14": "UNKNOWN"}
    assert found is not None
    assert found["13"].detail == "NonZeroExitCode"
    status.query(["12_0"])
    assert slurm.calls == ["sacct", "squeue", "squeue"]
    assert status.queries == 3


def test_sacct_alone_is_asked_while_all_live(slurm: FakeSlurm) -> None:
    slurm.sacct = "12_0|RUNNING|0:0\n12_[1-2,4%3]|PENDING|0:0\n"
    status = SlurmStatus()
    found = status.query(["12_0", "12_1", "12_2", "12_4"])
    assert set(states(found).values()) == {"RUNNING", "PENDING"}
    assert slurm.calls == ["sacct", "sacct"]


def test_a_death_in_sacct_is_believed_only_if_squeue_agrees(slurm: FakeSlurm) -> None:
    slurm.sacct = "12|NODE_FAIL|0:0\n13|CANCELLED by 1000|0:15\n14|FAILED|137:0\n"
    # The node of 12 failed, and SLURM has put the job back into the queue; it no longer knows 14.
    slurm.squeue = "12|PENDING|BeginTime\n13|CANCELLED|None\n"
    found = SlurmStatus().query(["12", "13", "14"])
    assert states(found) == {"12": "PENDING", "13": "CANCELLED", "14": "FAILED"}


def test_a_job_that_sacct_does_not_know_yet_is_in_squeue(slurm: FakeSlurm) -> None:
    slurm.sacct, slurm.squeue = "", "12|PENDING|None\n"
    assert states(SlurmStatus().query(["12"])) == {"12": "PENDING"}


def test_a_database_that_goes_away_is_replaced_by_squeue(slurm: FakeSlurm) -> None:
    slurm.sacct = "12|RUNNING|0:0\n"
    status = SlurmStatus()
    status.query(["12"])
    slurm.sacct, slurm.squeue = None, "12|RUNNING|None\n"
    assert states(status.query(["12"])) == {"12": "RUNNING"}


def test_silence_is_no_verdict(slurm: FakeSlurm) -> None:
    slurm.sacct = slurm.squeue = None
    assert SlurmStatus().query(["12"]) is None


def test_job_ids_are_expanded() -> None:
    assert read_tasks("12") == (["12"], True)
    assert read_tasks("12_3") == (["12_3"], True)
    assert read_tasks("12_[3-5,7%2]") == (["12_3", "12_4", "12_5", "12_7"], True)
    assert read_tasks("12_[3,5,...]") == (["12_3", "12_5"], False)


@pytest.mark.parametrize("word", ["EXPEDITING", "LAUNCH_FAILED", "SOME_STATE_OF_THE_FUTURE"])
def test_a_state_that_nobody_knows_is_that_of_a_live_job(slurm: FakeSlurm, word: str) -> None:
    slurm.squeue = f"12|{word}|None\n"
    found = SlurmStatus().query(["12", "13"])
    assert found is not None
    assert found["12"].live
    assert not found["13"].live


@pytest.mark.parametrize("listed", ["12_[0-18:2%20]", "12_[0,2-16:2,18]", "12_[0,...]", "12_[0,2,4", "12_[0x5]"])
def test_pending_tasks_are_live_however_they_are_listed(slurm: FakeSlurm, listed: str) -> None:
    slurm.squeue = f"{listed}|PENDING|Resources\n12_1|FAILED|NonZeroExitCode\n"
    found = SlurmStatus().query(["12_0", "12_18", "12_1"])
    assert states(found) == {"12_0": "PENDING", "12_18": "PENDING", "12_1": "FAILED"}


def test_a_job_that_only_the_database_calls_running_ends(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(states_module.time, "monotonic", lambda: now[0])
    slurm.sacct, slurm.squeue = "12|RUNNING|0:0\n13|RUNNING|0:0\n", "13|RUNNING|None\n"
    status = SlurmStatus()
    assert states(status.query(["12", "13"])) == {"12": "RUNNING", "13": "RUNNING"}
    now[0] = 61.0
    for _ in range(2):
        found = status.query(["12", "13"])
        assert states(found) == {"12": "UNKNOWN", "13": "RUNNING"}
    assert found is not None
    assert found["12"].detail == "sacct calls it RUNNING, squeue does not know it"
    # While they agree, squeue is asked every ten minutes.
    slurm.squeue = "12|RUNNING|None\n13|RUNNING|None\n"
    for now[0] in (70.0, 80.0, 90.0):
        status.query(["12", "13"])
    assert slurm.calls.count("squeue") == 3
    now[0] = 700.0
    status.query(["12", "13"])
    assert slurm.calls.count("squeue") == 4


def test_ten_thousand_jobs_are_quick(slurm: FakeSlurm) -> None:
    ids = [f"{parent}_{task}" for parent in range(10, 20) for task in range(1000)]
    slurm.sacct = "".join(f"{job_id}|RUNNING|0:0\n" for job_id in ids)
    status = SlurmStatus()
    status.query(ids[:1])
    start = time.process_time()
    assert len(status.query(ids) or {}) == 10_000
    # A set made for each job took seven seconds.
    assert time.process_time() - start < 1.5
