"""Several processes that train one run, started, told to stop and ended as one."""

import ctypes
import multiprocessing
import signal
import sys
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from phasebench.errors import InterruptedRunError, PhasebenchError
from phasebench.processes import Processes
from phasebench.spec import RunIdentity
from phasebench.training.interrupt import StopRequest
from phasebench.training.procedures import load_procedure

_HOST = "127.0.0.1"
_PATIENCE = timedelta(hours=6)
_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.2
_SAID = {"interrupted": InterruptedRunError, "error": PhasebenchError}


def launch_run(identity: RunIdentity, device: str, **arguments: Any) -> None:
    """Train a run in as many processes as its recipe asks for; one trains here.

    Parameters
    ----------
    identity : RunIdentity
        What to train.
    device : {"auto", "cpu", "cuda"}
        Each process takes a GPU of its own where there are GPUs.
    **arguments
        The others of :func:`phasebench.training.run.train_run`.

    Raises
    ------
    PhasebenchError
        What :func:`phasebench.training.run.train_run` raises in one of the processes, there are too few GPUs, or a
        process died.
    InterruptedRunError
        A signal asked the run to stop; all processes have ended.
    """
    count = identity.run.recipe.processes
    arguments |= {"identity": identity, "device": device}
    if count == 1:
        load_procedure(identity.run.recipe)(**arguments)
        return
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    if 0 < gpus < count:
        raise PhasebenchError(
            f"{identity.run.id}: recipe.processes: {count} processes need as many GPUs, this machine shows {gpus}"
        )
    # The rendezvous is here, on a port that the system chose, before anybody looks for it.
    store = TCPStore(_HOST, 0, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // count)
    members: list[tuple[SpawnProcess, Connection]] = []
    with StopRequest() as stop:
        for rank in range(count):
            ours, theirs = context.Pipe(duplex=False)
            member = context.Process(target=_member, args=(rank, count, store.port, threads, theirs, arguments))
            member.start()
            theirs.close()
            members.append((member, ours))
        try:
            _watch(members, stop)
        finally:
            for member, _ in members:
                member.kill()
                member.join()


def _watch(members: list[tuple[SpawnProcess, Connection]], stop: StopRequest) -> None:
    """Wait for all members; pass a request to stop on to them, and raise what the first that failed said."""
    running, told = dict(enumerate(members)), False
    while running:
        if stop and not told:
            told = True
            for member, _ in running.values():
                member.terminate()
        wait([member.sentinel for member, _ in running.values()], timeout=_LOOK_SECONDS)
        for rank, (member, connection) in list(running.items()):
            if member.exitcode is None:
                continue
            del running[rank]
            if said := _last_words(connection):
                kind, text = said
                if kind != "interrupted" or not running:
                    raise _SAID[kind](text)
            elif stop and member.exitcode == -signal.SIGTERM:
                # It had not yet begun to train.
                raise InterruptedRunError(f"stopped by {stop.signal}")
            elif member.exitcode != 0:
                raise PhasebenchError(
                    f"process {rank} of {len(members)} ended with status {member.exitcode}; its last words are above"
                )


def _last_words(connection: Connection) -> tuple[str, str] | None:
    """What an ended process said; None if it said nothing."""
    try:
        kind, text = connection.recv()
    except EOFError:
        return None
    return kind, text


def _member(rank: int, count: int, port: int, threads: int, parent: Connection, arguments: dict[str, Any]) -> None:
    """What each process does; what it has to say goes to its parent."""
    _die_with_parent()
    torch.set_num_threads(threads)
    on_gpu = arguments["device"] != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=TCPStore(_HOST, port, is_master=False),
        rank=rank,
        world_size=count,
        # Who dies is noticed by the parent; checking a million images may take the others a while.
        timeout=_PATIENCE,
    )
    try:
        load_procedure(arguments["identity"].run.recipe)(**arguments, processes=Processes(rank, count))
    except InterruptedRunError as error:
        parent.send(("interrupted", str(error)))
    except PhasebenchError as error:
        parent.send(("error", str(error)))
    finally:
        distributed.destroy_process_group()


def _die_with_parent() -> None:
    """Never train on behind the back of whoever starts this run again."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
