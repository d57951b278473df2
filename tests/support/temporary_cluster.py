"""Clusters that last as long as the tests that use them."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.private_cluster import Accounting, PrivateCluster

FIRST_PORT = 17000
LAST_PORT = 32000  # outgoing connections have ports from 32768 on
PORTS_PER_WORKER = 200
PORTS_PER_CLUSTER = 10


def free_ports() -> int:
    """The first of some free ports."""
    # The workers of a test session start at the same time: so each looks in a place of its own.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for first in range(FIRST_PORT + worker * PORTS_PER_WORKER, LAST_PORT, PORTS_PER_CLUSTER):
        if all(is_free(port) for port in range(first, first + PORTS_PER_CLUSTER)):
            return first
    raise RuntimeError("there are no free ports for a SLURM cluster")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def temporary_cluster(accounting: Accounting = "none", **options: Any) -> Iterator[PrivateCluster]:
    """A running cluster, in a folder and on ports of its own; `options` are those of PrivateCluster."""
    # The paths of unix sockets are short, so TMPDIR will not do.
    folder = Path(tempfile.mkdtemp(prefix="pbs", dir="/tmp"))
    cluster = PrivateCluster(folder, accounting, free_ports(), **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
