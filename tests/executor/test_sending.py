"""Sending of jobs to a SLURM that is away, full, or loses answers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from snakemake_executor_plugin_submitit import outbox as outbox_module
from snakemake_executor_plugin_submitit.job_identity import job_members
from snakemake_executor_plugin_submitit.job_outcomes import write_result
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError
from snakemake_executor_plugin_submitit.job_runner import JobCall, SnakemakeCall
from snakemake_executor_plugin_submitit.job_states import UNKNOWN, JobState
from snakemake_executor_plugin_submitit.ledger import Ledger
from snakemake_executor_plugin_submitit.outbox import Outgoing
from snakemake_executor_plugin_submitit.sending import Sender
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.submission import NotNowError, SubmissionError
from snakemake_executor_plugin_submitit.taking_up import EarlierJobs

PARAMETERS = JobParameters("train")


class FakeBackend:
    """A cluster that takes so many jobs, and answers or not."""

    array_size = 100
    problem = "squeue: Unable to contact slurm controller"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = True
        self.limit: int | None = None
        self.certain = True
        self.loses_answers = False
        self.refusal: str | None = None
        self.queue: dict[str, int] = {}
        """Number of jobs by submission."""
        self.numbers: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.calls: list[tuple[int, int, tuple[str, ...]]] = []
        """Jobs of SLURM's, members of each, and what they wait for, of each submission that arrived."""
        self.others = False
        self.most_threads = 1000
        self.states: dict[str, JobState] = {}

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str]
    ) -> list[str]:
        if not self.answers:
            raise NotNowError("Unable to contact slurm controller", unanswered=True)
        if self.refusal:
            raise SubmissionError(self.refusal)
        if self.limit is not None and sum(self.queue.values()) + len(calls) > self.limit:
            raise NotNowError("AssocMaxSubmitJobLimit", limit=True, certain=self.certain)
        (self.folder / submission).mkdir()
        number = str(100 + len(self.numbers))
        self.queue[submission], self.numbers[submission] = len(calls), number
        self.calls.append((len(calls), len(calls[0].members()), tuple(after)))
        if self.loses_answers:
            self.answers = False
            raise NotNowError("Socket timed out on send/recv operation", unanswered=True)
        return [f"{number}_{task}" for task in range(len(calls))] if len(calls) > 1 else [number]

    def find_submission(self, submission: str) -> str | None:
        if not self.answers:
            raise SlurmError(self.problem)
        return self.numbers.get(submission)

    def jobs_in_queue(self) -> bool:
        return self.others or any(self.queue.values())

    def check(self, parameters: JobParameters) -> None:
        if parameters.threads > self.most_threads:
            raise ParameterError("too many")

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState] | None:
        return {job_id: self.states.get(job_id, JobState(UNKNOWN)) for job_id in job_ids} if self.answers else None

    def cancel(self, job_ids: Sequence[str]) -> None:
        if not self.answers:
            raise SlurmError(self.problem)
        self.cancelled += job_ids


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = error = info


class World:
    """A sender with its backend and clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.folder = folder
        self.log = Log()
        self.backend = FakeBackend(folder)
        self.sent: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.folder, "slurm")
        backend: Any = self.backend
        log: Any = self.log
        earlier = EarlierJobs(self.ledger, backend, self.folder, log)
        earlier.settle()
        settings = ExecutorSettings(cluster="slurm")
        self.sender = Sender(settings, self.ledger, backend, earlier, self.folder, log)

    def hand_over(self, *names: str, parameters: JobParameters = PARAMETERS, version: str = "1") -> None:
        self.sender.hand_over([outgoing(name, parameters, version) for name in names])

    def send(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.sender.send()
        self.sent |= {item.description: entry.job_id for item, entry in self.sender.sent()}
        self.refused |= {item.description: problem for item, problem in self.sender.refused()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    clock: list[World] = []
    monkeypatch.setattr(outbox_module.time, "monotonic", lambda: clock[0].now if clock else 0.0)
    clock.append(World(tmp_path / "submitit"))
    yield clock[0]
    clock[0].ledger.close()


def outgoing(name: str, parameters: JobParameters, version: str) -> Outgoing:
    # What identifies a job of Snakemake's: rule, wildcards, files and command.
    target = SimpleNamespace(rulename="train", wildcards_dict={"run": name})
    job: Any = SimpleNamespace(input=[], output=[name], shellcmd=version, get_target_spec=lambda: [target])
    members = job_members(job)
    call = SnakemakeCall("true", "/", 1, 1, name=name)
    return Outgoing(job, parameters, call, members, members[0].key, members[0].fingerprint, name, frozenset())


def test_jobs_are_kept_while_slurm_is_away(world: World) -> None:
    world.backend.answers = False
    world.hand_over("a", "b", "c")
    for _ in range(40):
        world.send(10)
    assert world.sent == world.refused == {}
    assert world.log.lines == [
        "SLURM takes no jobs just now (Unable to contact slurm controller); 3 jobs are kept, and sent when it answers."
    ]
    world.backend.answers = True
    world.send(121)
    assert world.sent == {"a": "100_0", "b": "100_1", "c": "100_2"}
    assert "SLURM takes jobs again." in world.log.lines
    assert world.backend.calls == [(3, 1, ())]


def test_a_submission_whose_answer_was_lost_is_adopted(world: World) -> None:
    world.backend.loses_answers = True
    world.hand_over("a", "b")
    world.send()
    world.send(10)
    assert world.sent == {}
    world.backend.answers = True
    world.send(121)
    assert world.sent == {"a": "100_0", "b": "100_1"}
    assert world.backend.calls == [(2, 1, ())]
    assert world.backend.cancelled == []


def test_what_arrives_after_it_was_given_up_is_cancelled(world: World) -> None:
    world.backend.answers = False
    world.hand_over("a")
    world.send()
    (lost,) = [json.loads(line)["submission"] for line in world.ledger.path.read_text().splitlines()]
    world.backend.answers = True
    world.send(10)
    assert world.sent == {"a": "100"}
    # slurmctld works off the request that timed out.
    world.backend.numbers[lost] = "99"
    world.send(61)
    assert world.backend.cancelled == ["99"]
    for _ in range(12):
        world.send(60)
    assert not world.sender.busy


def test_as_many_are_sent_as_the_limit_allows_and_the_rest_later(world: World) -> None:
    world.backend.limit = 3
    names = [f"job{number}" for number in range(50)]
    world.hand_over(*names)
    world.send()
    assert sum(world.backend.queue.values()) == 3
    tries = 0
    while len(world.sent) < 50:
        # Two end at a time.
        submission = next(name for name, count in world.backend.queue.items() if count)
        world.backend.queue[submission] -= 1
        world.sender.job_ended()
        world.send(1)
        tries += 1
        assert tries < 60
        assert sum(world.backend.queue.values()) <= 3
    assert world.refused == {}
    assert len([line for line in world.log.lines if "takes no more jobs of train" in line]) == 1


def test_a_limit_on_what_a_job_asks_for_is_a_refusal(world: World) -> None:
    # SLURM has the same words for both; here nothing is in the queue that could end.
    world.backend.limit, world.backend.certain = 0, False
    world.hand_over("a", "b")
    for _ in range(10):
        world.send(31)
    assert world.refused == {"a": "AssocMaxSubmitJobLimit", "b": "AssocMaxSubmitJobLimit"}


def test_a_limit_that_other_jobs_fill_is_waited_for(world: World) -> None:
    world.backend.limit, world.backend.certain, world.backend.others = 0, False, True
    world.hand_over("a")
    for _ in range(10):
        world.send(31)
    assert world.refused == {}
    world.backend.limit = 1
    world.send(31)
    assert world.sent == {"a": "100"}


def test_a_limit_on_one_kind_does_not_hold_up_another(world: World) -> None:
    world.backend.limit = 2
    world.hand_over("a", "b", "c")
    world.hand_over("other", parameters=replace(PARAMETERS, name="other"))
    world.send()
    assert len(world.sent) == 2
    world.backend.limit = 3
    world.sender.job_ended()
    world.send()
    assert len(world.sent) == 3


def test_a_refusal_is_told_at_once(world: World) -> None:
    world.backend.refusal = "Invalid account"
    world.hand_over("a")
    world.send()
    assert world.refused == {"a": "Invalid account"}
    assert not world.sender.busy


def test_packs_are_as_large_as_the_share_and_the_node_allow(world: World) -> None:
    parameters = replace(PARAMETERS, gpu=1, gpu_share=8)
    world.hand_over(*(f"job{number}" for number in range(20)), parameters=parameters)
    world.send()
    assert world.backend.calls == [(2, 8, ()), (1, 4, ())]
    assert world.sent["job0"] == "100_0.0"
    assert world.sent["job15"] == "100_1.7"
    assert world.sent["job19"] == "101.3"
    world.backend.most_threads = 3
    world.hand_over("x", "y", "z", "u", parameters=parameters)
    world.send()
    assert world.backend.calls[2:] == [(1, 3, ()), (1, 1, ())]


def test_members_of_packs_are_taken_up_one_by_one(world: World) -> None:
    parameters = replace(PARAMETERS, gpu_share=4)
    world.hand_over("a", "b", "c", "d", parameters=parameters)
    world.send()
    world.ledger.close()
    world.backend.states["100"] = JobState("RUNNING")
    world.open()
    world.sent.clear()
    # Of two members one has changed: the others of the pack go on.
    world.hand_over("a", parameters=parameters)
    world.hand_over("b", parameters=parameters, version="2")
    world.send()
    assert world.sent == {"a": "100.0", "b": "101"}
    assert world.backend.cancelled == []
    assert [path.name for path in world.folder.rglob("*.stop")] == ["100.1.stop"]
    # It starts when the old one is gone.
    assert world.backend.calls[-1] == (1, 1, ("100",))


def test_a_job_that_cannot_be_cancelled_yet_is_not_replaced(world: World) -> None:
    world.hand_over("a")
    world.send()
    world.ledger.close()
    world.backend.states["100"] = JobState("RUNNING")
    world.open()
    world.sent.clear()
    world.hand_over("a", version="2")

    def fails(job_ids: Sequence[str]) -> None:
        raise SlurmError("scancel: Unable to contact slurm controller")

    cancel, world.backend.cancel = world.backend.cancel, fails  # type: ignore[method-assign]
    world.send()
    assert world.sent == {}
    world.backend.cancel = cancel  # type: ignore[method-assign]
    world.send(10)
    assert world.sent == {"a": "101"}
    assert world.backend.cancelled == ["100"]
    assert world.backend.calls[-1] == (1, 1, ("100",))


def test_ctrl_c_leaves_no_lost_submission_behind(world: World) -> None:
    world.backend.loses_answers = True
    world.hand_over("a")
    world.send()
    world.backend.answers = True
    assert world.sender.close() == []
    assert world.backend.cancelled == ["100"]
    world.hand_over("b")
    world.send(1000)
    assert world.sent == {}


def test_what_failed_unwatched_is_told_and_other_logs_are_removed(world: World) -> None:
    world.hand_over("failed", "killed", "gone", "fine")
    world.send()
    (folder,) = [path for path in world.folder.iterdir() if path.is_dir()]
    for task in range(4):
        (folder / f"100_{task}_0_log.out").write_text(f"log {task}\n")
    write_result(folder, "100_0", "the job's command ended with status 1")
    write_result(folder, "100_3", None)
    world.backend.states["100_1"] = JobState("OUT_OF_MEMORY")
    world.ledger.close()
    world.open()
    world.hand_over("other")
    world.send()
    told = [line.splitlines() for line in world.log.lines if "while no Snakemake watched" in line]
    assert [lines[0].partition(": ")[2] for lines in told] == [
        "the job's command ended with status 1",
        "it ran out of memory; raise mem_mb",
    ]
    assert [lines[-1] for lines in told] == ["log 0", "log 1"]
    assert sorted(path.name for path in folder.glob("*.out")) == ["100_0_0_log.out", "100_1_0_log.out"]
