"""A job's command with all its descendants: what reaches them, and that none of them is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from snakemake_executor_plugin_submitit.process_group import ProcessGroup

DEAF_TO = {signal.SIGUSR2}


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_in(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def test_the_schedulers_signal_does_not_reach_descendants(tmp_path: Path) -> None:
    group = ProcessGroup("sleep 60 & echo $! > pid; wait", tmp_path, DEAF_TO, 5)
    child = pid_in(tmp_path / "pid")
    os.kill(child, signal.SIGUSR2)
    time.sleep(0.1)
    assert alive(child)
    assert group.poll() is None
    group.stop()
    assert not alive(child)


def test_own_signals_are_not_blocked_afterwards(tmp_path: Path) -> None:
    group = ProcessGroup("true", tmp_path, DEAF_TO, 5)
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    wait_for(lambda: group.poll() is not None)
    group.stop()


def test_the_group_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    command = "trap 'echo asked > asked; exit 75' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    group = ProcessGroup(command, tmp_path, DEAF_TO, 30)
    pid_in(tmp_path / "pid")
    group.stop()
    assert (tmp_path / "asked").exists()
    assert group.poll() == 75


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    # The command itself ends at once; a descendant that ignores SIGTERM stays behind.
    command = "(trap '' TERM; echo $BASHPID > pid; while :; do sleep 0.1; done) & exit 3"
    group = ProcessGroup(command, tmp_path, DEAF_TO, 0.5)
    child = pid_in(tmp_path / "pid")
    wait_for(lambda: group.poll() == 3)
    assert alive(child)
    group.stop()
    assert not alive(child)


def test_the_group_ends_with_its_owner(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\nfrom pathlib import Path\n"
        "from snakemake_executor_plugin_submitit.process_group import ProcessGroup\n"
        "command = \"trap 'echo asked > asked; exit' TERM; echo $$ > pid; while :; do sleep 0.1; done\"\n"
        "ProcessGroup(command, Path(sys.argv[1]), {signal.SIGUSR2}, 5)\ntime.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    child = pid_in(tmp_path / "pid")
    owner.kill()
    owner.wait()
    wait_for(lambda: not alive(child))
    assert (tmp_path / "asked").exists()
