"""Answers of sbatch: jobs, refusals, limits, and silence."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit import submission as submission_module
from snakemake_executor_plugin_submitit.job_parameters import JobParameters
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.submission import NotNowError, SlurmSubmitter, SubmissionError, make_call

SETTINGS = ExecutorSettings(cluster="slurm")
PARAMETERS = JobParameters("train", 90)


class FakeSlurm:
    """What sbatch says, and whether squeue answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = ""
        self.error: str | None = None
        self.up = True
        monkeypatch.setattr(submission_module, "call_slurm", self)

    def __call__(self, *command: str) -> str:
        if command[0] == "sbatch":
            if self.error is not None:
                raise SlurmError(f"sbatch: {self.error.splitlines()[-1]}", self.error)
            return self.answer
        if not self.up:
            raise SlurmError("squeue: anything at all")
        return ""


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(monkeypatch)


def submit(folder: Path, count: int = 1) -> list[str]:
    calls = [make_call(SETTINGS, PARAMETERS, "true", folder) for _ in range(count)]
    return SlurmSubmitter(SETTINGS, folder).submit("token", PARAMETERS, calls)


@pytest.mark.parametrize("answer", ["12\n", "12;cluster\n", "Welcome to the cluster!\n12\n"])
def test_the_number_is_read_from_the_answer(slurm: FakeSlurm, tmp_path: Path, answer: str) -> None:
    slurm.answer = answer
    assert submit(tmp_path, 3) == ["12_0", "12_1", "12_2"]
    # Nobody else may write what jobs will run.
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "token").iterdir()) == ["0.pkl", "1.pkl", "2.pkl", "submission.sh"]


def test_an_answer_without_a_number_is_looked_into(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.answer = "job accepted"
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path)
    assert caught.value.unanswered


@pytest.mark.parametrize(
    "error",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unexpected message received",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: Batch job submission failed: Invalid authentication credential",
        "sbatch: error: Batch job submission failed: Connection reset by peer",
        "sbatch: error: Batch job submission failed: Rate limit exceeded, please retry later",
        "sbatch: no answer within 60 s",
    ],
)
def test_a_controller_that_is_away_takes_jobs_later(slurm: FakeSlurm, tmp_path: Path, error: str) -> None:
    slurm.error = error
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path)
    assert caught.value.unanswered
    assert not caught.value.limit


def test_words_that_nobody_foresaw_are_a_refusal_only_if_the_controller_answers(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    slurm.error = "sbatch: error: Something new"
    with pytest.raises(SubmissionError, match="Something new"):
        submit(tmp_path / "a")
    slurm.up = False
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path / "b")
    assert caught.value.unanswered


POLICY = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, ...)"


@pytest.mark.parametrize("name", ["AssocMaxSubmitJobLimit", "QOSMaxSubmitJobPerUserLimit", "AssocGrpSubmitJobsLimit"])
def test_a_limit_on_the_number_of_jobs_passes(slurm: FakeSlurm, tmp_path: Path, name: str) -> None:
    slurm.error = f"sbatch: error: {name}\n{POLICY}"
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path)
    assert caught.value.limit
    assert caught.value.certain
    assert not caught.value.unanswered


def test_a_limit_on_what_a_job_asks_for_does_not(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.error = f"sbatch: error: QOSMaxCpuPerJobLimit\n{POLICY}"
    with pytest.raises(SubmissionError, match="QOSMaxCpuPerJobLimit"):
        submit(tmp_path / "a")
    slurm.error = POLICY
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path / "b")
    assert caught.value.limit
    assert not caught.value.certain


def test_an_array_that_is_too_large_is_tried_in_parts(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.error = "sbatch: error: Batch job submission failed: Invalid job array specification"
    with pytest.raises(NotNowError) as caught:
        submit(tmp_path / "a", 4)
    assert caught.value.limit
    with pytest.raises(SubmissionError):
        submit(tmp_path / "b", 1)
