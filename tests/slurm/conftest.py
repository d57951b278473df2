"""The SLURM clusters of these tests: started when first asked for, at most one of each kind per worker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.counting_workflow import WORKFLOW_OPTIONS, CountingWorkflow, MakeWorkflow
from support.private_cluster import INSTALL, Accounting, PrivateCluster, missing_packages
from support.temporary_cluster import temporary_cluster


def shared_cluster(accounting: Accounting, started: list[PrivateCluster]) -> Iterator[PrivateCluster]:
    if missing := missing_packages(accounting):
        pytest.skip(f"SLURM is not installed: {', '.join(missing)} missing (as root: {os.path.relpath(INSTALL)})")
    with temporary_cluster(accounting) as cluster:
        started.append(cluster)
        yield cluster


@pytest.fixture(scope="session")
def started_clusters() -> list[PrivateCluster]:
    return []


@pytest.fixture(scope="session")
def slurm_none(started_clusters: list[PrivateCluster]) -> Iterator[PrivateCluster]:
    """A cluster without accounting: sacct fails, squeue remembers the finished jobs."""
    yield from shared_cluster("none", started_clusters)


@pytest.fixture(scope="session")
def slurm_dbd(started_clusters: list[PrivateCluster]) -> Iterator[PrivateCluster]:
    """A cluster with a real slurmdbd, so that sacct answers."""
    yield from shared_cluster("dbd", started_clusters)


@pytest.fixture(params=["slurm_none", "slurm_dbd"], ids=["squeue", "sacct"])
def cluster(request: pytest.FixtureRequest) -> PrivateCluster:
    """Both clusters in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, PrivateCluster)
    return found


@pytest.fixture(autouse=True)
def no_jobs_left(started_clusters: list[PrivateCluster]) -> Iterator[None]:
    """Each test finds its cluster without jobs and with all nodes, whatever the one before did."""
    yield
    for cluster in started_clusters:
        if cluster.touched:
            cluster.reset()


@pytest.fixture
def make_workflow(tmp_path: Path) -> Iterator[MakeWorkflow]:
    """Make a workflow that counts, on the cluster of one's choice, with options and variables of its own."""
    made: list[CountingWorkflow] = []

    def make(cluster: PrivateCluster, *options: str, folder: str = "work", **variables: str) -> CountingWorkflow:
        place = tmp_path / folder
        place.mkdir()
        made.append(CountingWorkflow(place, [*WORKFLOW_OPTIONS, *options], {**cluster.environment, **variables}))
        return made[-1]

    yield make
    for workflow in made:
        workflow.clean_up()


@pytest.fixture
def workflow(cluster: PrivateCluster, make_workflow: MakeWorkflow) -> CountingWorkflow:
    """A workflow that counts, on both clusters in turn."""
    return make_workflow(cluster)
