"""Launcher of the processes that train one run together: start, stop and end them as one."""

import contextlib
import multiprocessing
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from phasebench.common.errors import InterruptedRunError, PhasebenchError
from phasebench.common.heartbeat import Watchdog
from phasebench.common.messages import show_messages
from phasebench.common.parent_death import die_with_parent
from phasebench.common.processes import Processes
from phasebench.common.scheduler import nodes_and_tasks
from phasebench.specs.run import RunIdentity
from phasebench.training.interrupt import StopRequest
from phasebench.training.procedures import load_procedure

_HOST = "127.0.0.1"
_INTERFACE = "lo"
# The parent notices a process that dies or hangs, so this is long: checking a million images takes a while.
_PATIENCE = timedelta(hours=6)
_SILENCE_SECONDS = 600.0
_LOOK_SECONDS = 0.2


def launch_run(identity: RunIdentity, device: str, **arguments: Any) -> None:
    """Train a run in as many processes as its recipe asks for; a single one is this process itself.

    In a SLURM job with as many tasks on several nodes, ``srun`` starts the processes there.

    Parameters
    ----------
    identity : RunIdentity
        The run.
    device : {"auto", "cpu", "cuda"}
        Each process takes a GPU of its own where there are GPUs.
    **arguments
        The others of :func:`phasebench.training.minibatch.train_run`.

    Raises
    ------
    PhasebenchError
        A process raised one, as :func:`phasebench.training.minibatch.train_run` does, or died; or there are too few
        GPUs.
    InterruptedRunError
        A signal asked the run to stop; all processes have ended.
    """
    count = identity.run.recipe.processes
    arguments |= {"identity": identity, "device": device}
    if count == 1:
        load_procedure(identity.run.recipe)(**arguments)
        return
    nodes, tasks = nodes_and_tasks()
    if nodes > 1 and tasks == count:
        _launch_over_nodes(nodes, count, arguments)
        return
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    if 0 < gpus < count:
        raise PhasebenchError(
            f"{identity.run.id}: recipe.processes: {count} processes need as many GPUs, this machine shows {gpus}"
        )
    # The rendezvous is in this process, on a port that the system chose, and is there before any process looks for it.
    secret, (_store_here, port) = secrets.token_hex(16), _master_store()
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // count)
    members: list[_Member] = []
    with StopRequest() as stop:
        for rank in range(count):
            place = Place(rank, rank, count, threads, _HOST, port, secret)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_member, args=(place, theirs, arguments))
            process.start()
            theirs.close()
            members.append(_Member(process, ours))
        try:
            _watch(members, stop)
        finally:
            for member in members:
                member.process.kill()
                member.process.join()


@dataclass(eq=False)
class _Member:
    """One of the processes, and the pipe on which it reports how it failed."""

    process: SpawnProcess
    connection: Connection | None
    report: tuple[str, str] | None = None
    """Kind of the failure ("error", "failure" or "interrupted"), and its message."""

    def listen(self) -> None:
        """Receive the report if there is one; a member sends one at most."""
        if self.connection is None or not self.connection.poll():
            return
        # It may have ended without a report, or been killed while it sent one.
        with contextlib.suppress(EOFError, OSError):
            self.report = self.connection.recv()
        self.connection.close()
        self.connection = None


def _watch(members: list[_Member], stop: StopRequest) -> None:
    """Wait for all members; forward a request to stop to them, and raise the first failure that one reports.

    An error counts as soon as it is reported: its member may be unable to end while others wait for it.
    """
    running, forwarded = dict(enumerate(members)), False
    while running:
        if stop and not forwarded:
            forwarded = True
            for member in running.values():
                member.process.terminate()
        sentinels = [member.process.sentinel for member in running.values()]
        connections = [member.connection for member in running.values() if member.connection is not None]
        wait([*sentinels, *connections], timeout=_LOOK_SECONDS)
        # Before listening: a member that has ended has sent its report.
        ended = {rank: member for rank, member in running.items() if member.process.exitcode is not None}
        for member in running.values():
            member.listen()
        _raise_first(running, "error")
        for rank, member in ended.items():
            del running[rank]
            _check_end(member, running, stop, f"process {rank} of {len(members)}")
        # Another member's death may be the cause of a failure, so it is raised first.
        _raise_first(running | ended, "failure")


def _raise_first(members: dict[int, _Member], kind: str) -> None:
    for member in members.values():
        if member.report and member.report[0] == kind:
            raise PhasebenchError(member.report[1])


def _check_end(member: _Member, running: dict[int, _Member], stop: StopRequest, name: str) -> None:
    """Raise the error that the end of a member means for the run, unless the others are to end first."""
    if member.report:
        kind, text = member.report
        if kind == "interrupted" and not running:
            raise InterruptedRunError(text)
    elif stop and member.process.exitcode == -signal.SIGTERM:
        # It had not yet begun to train.
        raise InterruptedRunError(f"stopped by {stop.signal}")
    elif member.process.exitcode != 0:
        raise PhasebenchError(f"{name} ended with status {member.process.exitcode}; see its output above")


def _member(place: "Place", parent: Connection, arguments: dict[str, Any]) -> None:
    """Train as one of the processes of this machine; a failure is reported to the parent."""
    die_with_parent()
    # On one node nothing has to listen to the network, and a node's name need not have an address.
    os.environ |= {"GLOO_SOCKET_IFNAME": _INTERFACE, "NCCL_SOCKET_IFNAME": _INTERFACE}
    train_as_member(place, lambda kind, text: parent.send((kind, text)), arguments)


@dataclass(frozen=True)
class Place:
    """Place of one process among those that train together, and their rendezvous.

    Attributes
    ----------
    rank, local_rank
        Its number among all, and among those of its node, which is that of its GPU.
    count
        All of them.
    threads
        For torch; None leaves them as they are.
    host, port, secret
        The rendezvous; other users of the machine do not know the names of its keys.
    """

    rank: int
    local_rank: int
    count: int
    threads: int | None
    host: str
    port: int
    secret: str

    def store(self, purpose: str) -> PrefixStore:
        """Connection to the rendezvous; its own timeout holds, since a group that is given a store does not set it."""
        store = TCPStore(self.host, self.port, is_master=False, wait_for_workers=False, timeout=_PATIENCE)
        return PrefixStore(f"{self.secret}/{purpose}", store)


def train_as_member(place: Place, report: Callable[[str, str], None], arguments: dict[str, Any]) -> None:
    """Join the process group and train; a failure is reported, by its kind and a message."""
    show_messages()
    if place.threads is not None:
        torch.set_num_threads(place.threads)
    on_gpu = arguments["device"] != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(place.local_rank)
    # A connection of its own: the other is busy while a process waits.
    heartbeat = place.store("heartbeat")
    watchdog = Watchdog(
        lambda news: int(heartbeat.add("beats", news)),
        lambda problem: report("error", f"{arguments['identity'].run.id}: {problem}"),
        _SILENCE_SECONDS,
    )
    watchdog.start()
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=place.store("group"),
        rank=place.rank,
        world_size=place.count,
        timeout=_PATIENCE,
    )
    try:
        processes = Processes(place.rank, place.count)
        load_procedure(arguments["identity"].run.recipe)(**arguments, processes=processes)
    except InterruptedRunError as error:
        report("interrupted", str(error))
    except PhasebenchError as error:
        report("error", str(error))
    except Exception:
        traceback.print_exc()
        report("failure", f"process {place.rank} of {place.count} failed; see its traceback above")
        sys.exit(1)
    else:
        # It waits for the other processes, which after a failure may themselves be waiting for this one.
        distributed.destroy_process_group()
    finally:
        watchdog.stop()


def _launch_over_nodes(nodes: int, count: int, arguments: dict[str, Any]) -> None:
    """Train in the tasks of this SLURM job on all of its nodes, which ``srun`` starts."""
    master = TCPStore(socket.gethostname(), 0, is_master=True, wait_for_workers=False, timeout=_PATIENCE)
    place = Place(0, 0, count, None, master.host, master.port, secrets.token_hex(16))
    reports = place.store("report")
    order = Path(arguments["checkpoint"]).with_suffix(".srun")
    order.parent.mkdir(parents=True, exist_ok=True)
    with open(order, "wb", opener=lambda path, flags: os.open(path, flags, mode=0o600)) as handle:
        pickle.dump((place, arguments), handle)
    command = ["srun", f"--nodes={nodes}", f"--ntasks={count}", "--overlap", "--kill-on-bad-exit=1", "--export=ALL"]
    command += [f"--cpus-per-task={cores}"] if (cores := os.environ.get("SLURM_CPUS_PER_TASK")) else []
    forwarded = False
    try:
        with StopRequest() as stop:
            process = subprocess.Popen([*command, sys.executable, "-m", "phasebench.training.srun_member", str(order)])
            while (status := _ended(process)) is None and not reports.check(["error"]):
                if stop and not forwarded:
                    forwarded = True
                    # srun hands this signal on to its tasks.
                    process.send_signal(signal.SIGUSR2)
            if status is None:
                process.terminate()
                process.wait()
    finally:
        order.unlink(missing_ok=True)
    for kind in ("error", "failure"):
        if reports.check([kind]):
            raise PhasebenchError(reports.get(kind).decode())
    if reports.check(["interrupted"]):
        raise InterruptedRunError(reports.get("interrupted").decode())
    if status and stop:
        raise InterruptedRunError(f"stopped by {stop.signal}")
    if status:
        raise PhasebenchError(f"srun ended with status {status}; see the output above")


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Status of a process that ends soon, or None."""
    try:
        return process.wait(_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _master_store() -> tuple[TCPStore, int]:
    """The rendezvous of the processes, which listens on this machine's loopback interface alone, and its port."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        listener.listen()
        port = int(listener.getsockname()[1])
        # The store takes the file descriptor over.
        return TCPStore(
            _HOST,
            port,
            is_master=True,
            wait_for_workers=False,
            timeout=_PATIENCE,
            master_listen_fd=listener.detach(),
        ), port
