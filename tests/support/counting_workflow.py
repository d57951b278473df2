"""A small workflow whose jobs behave like training: they count, and write down how far they got when told to stop."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

# When a test gives up on something that hangs; on a busy machine all takes several times as long.
LIMIT_SECONDS = 300
# Jobs that count for ever, until they are released or stopped.
ENDLESS = 1_000_000
WORKFLOW_OPTIONS = [
    "--submitit-cluster=slurm",
    "--seconds-between-status-checks=1",
    "--keep-going",
    "--default-resources",
    "slurm_partition=cpu",
    "mem_mb=400",
]
"""Of Snakemake on a private cluster."""

SNAKEFILE = """
rule all:
    input: expand("out/{number}", number=range(int(config["jobs"])))

rule make:
    output: "out/{number}"
    log: "logs/{number}.log"
    resources: runtime=10, mem_mb=400
    shell: "python {workflow.basedir}/work.py {wildcards.number} {output} {config[steps]} > {log} 2>&1"
"""

# A step takes a tenth of a second, and a released job makes all the rest at once. The starts are counted, with the step
# that each begins at.
WORK = """
import os, pathlib, signal, sys, time
name, output, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
saved = pathlib.Path(f"{name}.saved")
done = int(saved.read_text()) if saved.exists() else 0
if pathlib.Path("memory").exists():
    memory = bytearray(700_000_000)
with open(f"{name}.starts", "a") as starts:
    starts.write(f"{os.getpid()} {done} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\\n")
while done < steps:
    time.sleep(0.1)
    done = steps if pathlib.Path("released").exists() else done + 1
    if told:
        saved.write_text(str(done))
        print(f"stopped at step {done}", flush=True)
        sys.exit(75)
pathlib.Path(output).write_text(str(done))
"""


class CountingWorkflow:
    """A folder with the workflow, and the Snakemake processes started in it.

    Parameters
    ----------
    folder : Path
        An empty folder.
    options : sequence of str
        Of every Snakemake.
    environment : mapping
        Of every Snakemake.
    """

    def __init__(self, folder: Path, options: list[str], environment: Mapping[str, str] = os.environ) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        # The jobs call `python`, which has to be the one that runs Snakemake.
        path = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self._environment = {**environment, "PATH": path}
        self._options = ["--executor=submitit", "--rerun-incomplete", "--nolock", *options]
        (folder / "Snakefile").write_text(SNAKEFILE)
        (folder / "work.py").write_text(WORK)

    def start(self, *arguments: str, jobs: int = 2, steps: int = 5) -> subprocess.Popen[str]:
        """Start Snakemake; its output goes to a file, for :meth:`output`."""
        command = [sys.executable, "-m", "snakemake", *self._options, f"--jobs={max(jobs, 1)}", *arguments]
        with self._output_file(len(self.started)).open("w") as output:
            process = subprocess.Popen(
                [*command, "--config", f"jobs={jobs}", f"steps={steps}"],
                cwd=self.folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                # Ctrl-C on a terminal goes to the whole group of processes.
                start_new_session=True,
                # Whoever started the tests may ignore Ctrl-C, as a shell does for what runs in its background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], succeeds: bool = True, limit: float = LIMIT_SECONDS) -> str:
        """Wait for a Snakemake and return its output."""
        process.wait(timeout=limit)
        output = self.output(process)
        assert (process.returncode == 0) == succeeds, output
        return output

    def output(self, process: subprocess.Popen[str]) -> str:
        """Output of a Snakemake so far."""
        return self._output_file(self.started.index(process)).read_text()

    def _output_file(self, number: int) -> Path:
        return self.folder / f"snakemake-{number}.out"

    def wait_for_output(self, process: subprocess.Popen[str], text: str, times: int = 1) -> None:
        """Wait until a running Snakemake has said something, so many times."""
        wait_for(lambda: self.output(process).count(text) >= times or process.poll() is not None)
        assert self.output(process).count(text) >= times, self.output(process)

    def release(self) -> None:
        """Let all jobs count to their end at once, also those that are still to start."""
        (self.folder / "released").touch()

    def starts(self, job: int) -> list[list[str]]:
        """Process number, first step and GPUs of each start of a job's work."""
        path = self.folder / f"{job}.starts"
        return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    def first_steps(self, job: int) -> list[int]:
        """The step at which each start of a job began."""
        return [int(start[1]) for start in self.starts(job)]

    def saved_step(self, job: int) -> int | None:
        """How far a job had come when it was last told to stop."""
        path = self.folder / f"{job}.saved"
        return int(path.read_text()) if path.exists() else None

    def result(self, job: int) -> str | None:
        """The output of a job."""
        path = self.folder / f"out/{job}"
        return path.read_text() if path.exists() else None

    def wait_until_working(self, jobs: int = 2) -> None:
        """Wait until all jobs count."""
        wait_for(lambda: all(self.starts(job) for job in range(jobs)))

    def wait_for_start(self, number: int, job: int = 0) -> None:
        """Wait until a job has been started so many times."""
        wait_for(lambda: len(self.starts(job)) >= number)

    def ledger(self) -> list[dict[str, object]]:
        """The events in the executor's ledger."""
        path = self.folder / ".snakemake/submitit/ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def submissions(self) -> Counter[str]:
        """How often each job was submitted, by its description."""
        announced = {str(event["submission"]): event["jobs"] for event in self.ledger() if event["event"] == "submit"}
        queued = [str(event["submission"]) for event in self.ledger() if event["event"] == "queued"]
        return Counter(job[2] for submission in queued for job in announced[submission])  # type: ignore[attr-defined]

    def job_ids(self) -> dict[str, str]:
        """The latest job id of each job, by its description."""
        announced = {str(event["submission"]): event["jobs"] for event in self.ledger() if event["event"] == "submit"}
        found = {}
        for event in self.ledger():
            if event["event"] == "queued":
                jobs = announced[str(event["submission"])]
                found |= {job[2]: job_id for job, job_id in zip(jobs, event["ids"], strict=True)}  # type: ignore[call-overload]
        return found

    def job_id(self, job: int) -> str:
        """The latest id of a job."""
        return self.job_ids()[f"make number={job}"]

    def processes(self) -> list[int]:
        """Live processes of the work, of the jobs and of their controllers."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return [pid for pid in found if pid not in {process.pid for process in self.started}]

    def clean_up(self) -> None:
        """Kill everything."""
        for process in self.started:
            process.kill()
        # Jobs on this machine hold the other end of Snakemake's output.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.wait()


# Makes a workflow on a cluster.
MakeWorkflow = Callable[..., CountingWorkflow]


def wait_for(condition: Callable[[], object], limit: float = LIMIT_SECONDS) -> None:
    """Wait until the condition holds; fail after the limit."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
