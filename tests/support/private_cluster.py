"""A SLURM cluster of this machine's own, which tests can load, query and break."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from support.slurm_processes import job_processes, kill, lives, name_of, names_of_job, step_daemons

SCRIPTS = Path(__file__).parents[1] / "slurm/cluster"
INSTALL = SCRIPTS / "install.sh"
SYSTEM_PATH = "/usr/sbin:/sbin"
# Program -> Debian package.
PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "ss": "iproute2",
}
ACCOUNTING_PACKAGES = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server-core"}
# What somebody's shell may have set for the commands of SLURM.
SLURM_VARIABLES = re.compile(r"(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SINFO|SCANCEL|SCONTROL)_")
FINISHED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
READY_NODE = re.compile(r"(IDLE|MIXED|ALLOCATED)(\+COMPLETING)?")

Accounting = Literal["none", "dbd"]
T = TypeVar("T")


def missing_packages(accounting: Accounting) -> list[str]:
    """The Debian packages that have to be installed before such a cluster can start."""
    needed = PACKAGES | (ACCOUNTING_PACKAGES if accounting == "dbd" else {})
    path = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    return [package for program, package in needed.items() if shutil.which(program, path=path) is None]


class PrivateCluster:
    """A cluster in a folder, with nodes n1, n2, ... of 16 CPUs, 16 GB and 2 GPUs (all three pretended).

    Parameters
    ----------
    folder: where it keeps everything; the path has at most 60 characters. `stop` removes it.
    accounting: "dbd" for a `sacct` that answers, "none" for one that fails.
    port: the first of `nodes` + 2 free ports.
    nodes: the number of nodes.
    preempt_user_signal: whether a job about to be preempted gets the signal of its own `--signal`.
    max_array_size: a job array has at most this number of tasks, less one.
    min_job_age: for how many seconds `squeue` and `scontrol` remember a finished job.
    conf_extra: further lines of slurm.conf, with settings that start.sh does not write.
    """

    def __init__(
        self,
        folder: Path,
        accounting: Accounting,
        port: int,
        nodes: int = 2,
        *,
        preempt_user_signal: bool = True,
        max_array_size: int = 1001,
        min_job_age: int = 86400,
        conf_extra: str = "",
    ) -> None:
        self.folder = folder
        self.accounting = accounting
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.conf = folder / "etc/slurm.conf"
        self.touched = False
        """True once something may have happened to the cluster since it was started or reset."""
        self._settings = {
            "SLURM_TEST_DIR": str(folder),
            "SLURM_TEST_ACCT": accounting,
            "SLURM_TEST_PORT": str(port),
            "SLURM_TEST_NODES": str(nodes),
            # Should this process be killed, the cluster ends too.
            "SLURM_TEST_OWNER": str(os.getpid()),
            "SLURM_TEST_PREEMPT_USER_SIGNAL": str(int(preempt_user_signal)),
            "SLURM_TEST_MAX_ARRAY_SIZE": str(max_array_size),
            "SLURM_TEST_MIN_JOB_AGE": str(min_job_age),
            "SLURM_TEST_CONF_EXTRA": conf_extra,
        }

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the commands of SLURM pointed at this cluster."""
        self.touched = True
        inherited = {name: value for name, value in os.environ.items() if not SLURM_VARIABLES.match(name)}
        return inherited | {"SLURM_CONF": str(self.conf), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def start(self) -> None:
        """Start the cluster, or whichever of its daemons is dead."""
        try:
            self._script("start.sh")
        except subprocess.SubprocessError:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the jobs, stop the daemons and remove the folder."""
        self._script("stop.sh")

    def _script(self, name: str) -> None:
        _call([str(SCRIPTS / name)], self.environment | self._settings, timeout=180)

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> str:
        """What a command prints on this cluster; with `check`, its failure is an error."""
        return _call(list(command), self.environment, timeout, check)

    def states(self, job_ids: list[str] | None = None) -> dict[str, str]:
        """The states of the jobs that SLURM remembers, or of those; an array's id stands for all of its tasks."""
        lines = self.run("squeue", "--states=all", "--array", "--noheader", "--format=%i %T").splitlines()
        states = dict(line.split() for line in lines)
        if job_ids is None:
            return states
        return {job: state for job, state in states.items() if job in job_ids or job.split("_")[0] in job_ids}

    def history(self) -> list[str]:
        """The ids of all jobs there have been, array tasks each on their own."""
        return list(self.states())

    def processes(self, job_id: str | None = None) -> list[int]:
        """The processes of the jobs, or of that job; without the daemons that SLURM starts for them.

        A process counts as a job's for what is in its environment, so orphans are found as well.
        """
        found = job_processes(self.conf)
        return [pid for pid, variables in found if job_id is None or job_id in names_of_job(variables)]

    def step_daemons(self, job_id: str) -> dict[str, int]:
        """The slurmstepd of each of a job's steps: "batch" for the script, then "0", "1", ..."""
        raw_id = job_id
        if "_" in job_id:
            ask = ("squeue", "--states=all", "--array", "--noheader", "--format=%A")
            raw_id = self.run(*ask, f"--jobs={job_id}").strip()
        return {daemon.step: daemon.pid for daemon in step_daemons(self.folder) if daemon.job_id == raw_id}

    def daemon(self, name: str) -> int | None:
        """The process id of "slurmctld", "slurmdbd", "mariadbd", "munged", "slurmd-n1", ...; None for a dead one."""
        try:
            pid = int((self.folder / f"run/{name}.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if name_of(pid) == name.split("-")[0] and lives(pid) else None

    def kill_node(self, name: str, processes: bool = True) -> None:
        """Kill a node's slurmd and, with `processes`, all else that runs on it, as when the power fails.

        SLURM notices after some 30 s, and never if the node is back by then; `mark_down` has it notice at once.
        """
        slurmd = self.daemon(f"slurmd-{name}")
        if slurmd is not None:
            kill([slurmd])
        # A step daemon that outlived its processes would still report their end; so they go last.
        while processes:
            steps = [daemon.pid for daemon in step_daemons(self.folder) if daemon.node == name]
            jobs = [pid for pid, variables in job_processes(self.conf) if variables.get("SLURMD_NODENAME") == name]
            if not steps and not jobs:
                break
            kill(steps)
            kill(jobs)

    def mark_down(self, name: str) -> None:
        """Have SLURM do now what it does once it has noticed that a node is gone: its jobs fail or are requeued."""
        self.run("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def start_node(self, name: str) -> None:
        """Start a node's slurmd, and wait until jobs can run there."""
        before = datetime.now().replace(microsecond=0)
        if self.daemon(f"slurmd-{name}") is None:
            path = f"{self.environment['PATH']}:{SYSTEM_PATH}"
            command = [str(shutil.which("slurmd", path=path)), "-N", name]
            # The daemon would keep a pipe open for ever.
            subprocess.run(command, env=self.environment, check=True, timeout=120, stdout=subprocess.DEVNULL)

            # Until SLURM has noticed that the node was gone, it calls it ready anyway.
            def registered() -> bool:
                started = re.search(r"SlurmdStartTime=(\S+)", self.run("scontrol", "show", "node", name))
                return started is not None and started[1] >= before.isoformat()

            self.wait_for(registered, 120, f"node {name} reports to slurmctld")
        self.wait_for(lambda: self._make_ready(name), 120, f"node {name} is ready")

    def _make_ready(self, name: str) -> bool:
        state = re.search(r"State=(\S+)", self.run("scontrol", "show", "node", name))
        if state is not None and READY_NODE.fullmatch(state[1]):
            return True
        self.run("scontrol", "update", f"NodeName={name}", "State=RESUME", check=False)
        return False

    def reset(self) -> None:
        """End all jobs and bring dead daemons back; if that fails, start anew."""
        try:
            if any(self.daemon(name) is None for name in self._daemons()):
                self.start()
            for node in self.nodes:
                self.start_node(node)
            self.wait_for(self._end_jobs, 120, "no jobs are left")
        except (AssertionError, subprocess.SubprocessError):
            self.stop()
            self.start()
            raise
        self.touched = False

    def _daemons(self) -> list[str]:
        accounting = ["mariadbd", "slurmdbd"] if self.accounting == "dbd" else []
        return ["munged", *accounting, "slurmctld", *(f"slurmd-{node}" for node in self.nodes)]

    def _end_jobs(self) -> bool:
        live = any(state not in FINISHED for state in self.states().values())
        processes = self.processes()
        if live:
            self.run("scancel", f"--user={os.getuid()}", check=False)
        # What ignores SIGTERM would be waited for. But a step without its srun takes 2 s more to end.
        steps = [pid for pid in processes if name_of(pid) != "srun"]
        kill(steps or processes)
        return not live and not processes

    def wait_for(self, predicate: Callable[[], T], timeout: float, what: str) -> T:
        """Ask until the answer is true, and return it."""
        end = time.monotonic() + timeout
        while True:
            if answer := predicate():
                return answer
            if time.monotonic() > end:
                states = self.run("squeue", "--states=all", "--array", check=False)
                raise AssertionError(f"not within {timeout:g} s: {what} (last answer: {answer!r}); jobs:\n{states}")
            time.sleep(0.1)


def _call(command: list[str], environment: dict[str, str], timeout: float, check: bool = True) -> str:
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, command)
        error.add_note(done.stderr)
        raise error
    return done.stdout
