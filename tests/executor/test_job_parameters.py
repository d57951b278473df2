"""From rule resources to SLURM parameters, and the refusals before submission."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_submitit import cluster as cluster_module
from snakemake_executor_plugin_submitit.cluster import Cluster
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError, job_parameters
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.submission import SlurmSubmitter, make_call, signal_delay

CONFIG = "MaxArraySize            = 1001\n"
SINFO = """cpu*|up|1-00:00:00|16|16000|(null)
gpu|up|2:30:00|8|32000|gpu:a100:4(S:0-1)
gpu|up|2:30:00|8|64000|gpu:2,craynetwork:4
old|down|infinite|4+|2000|(null)
"""


def job(threads: int = 1, **resources: Any) -> Any:
    return SimpleNamespace(name="train", threads=threads, resources=resources)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(cluster_module, "call_slurm", lambda *command: CONFIG if command[0] == "scontrol" else SINFO)
    return Cluster()


def test_all_resources_are_read() -> None:
    parameters = job_parameters(
        job(
            threads=3,
            runtime=90,
            mem_mb=2000,
            nodes=2,
            tasks=4,
            gpu=4,
            gpu_model="a100",
            slurm_partition="gpu",
            slurm_account="lab",
            slurm_qos="high",
            constraint="skylake|zen",
            slurm_extra="--mail-type=END --exclusive '--reservation=my room'",
        )
    )
    assert parameters.gpus_per_node == "a100:2"
    assert parameters.slurm_extra == (("exclusive", True), ("mail-type", "END"), ("reservation", "my room"))
    assert (parameters.runtime, parameters.threads, parameters.mem_mb) == (90, 3, 2000)
    assert (parameters.slurm_account, parameters.slurm_qos) == ("lab", "high")
    assert parameters.constraint == "skylake|zen"


def test_names_may_be_numbers_and_lists() -> None:
    parameters = job_parameters(job(slurm_account=12345, slurm_partition="cpu,gpu", qos="long"))
    assert (parameters.slurm_account, parameters.slurm_partition) == ("12345", "cpu,gpu")
    assert parameters.slurm_qos == "long"
    assert job_parameters(job(threads=2, cpus_per_task=5)).threads == 5


def test_the_partition_for_gpus_is_for_jobs_that_ask_for_one() -> None:
    both = {"slurm_partition": "cpu", "slurm_gpu_partition": "gpu"}
    assert job_parameters(job(**both)).partition == "cpu"
    assert job_parameters(job(**both, gpu=1)).partition == "gpu"
    assert job_parameters(job(**both, gres="gpu:a100:1")).partition == "gpu"
    assert job_parameters(job(**both, gres="craynetwork:1")).partition == "cpu"


def test_a_time_limit_is_cut_to_the_partitions(cluster: Cluster) -> None:
    for partition, expected in (("cpu", 1440), ("gpu", 150), ("gpu,cpu", 1440), ("old", 5000), ("gpu,old", 5000)):
        assert cluster.fit(JobParameters("train", 5000, slurm_partition=partition)).runtime == expected
    assert cluster.fit(JobParameters("train", 100)) == JobParameters("train", 100)


def test_commands_that_a_site_forbids_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*command: str) -> str:
        if command[0] != "squeue":
            raise SlurmError(f"{command[0]}: Access/permission denied")
        return ""

    monkeypatch.setattr(cluster_module, "call_slurm", denied)
    cluster = Cluster()
    assert len(cluster.warnings) == 2
    assert cluster.max_array_size is None
    cluster.check(JobParameters("train", slurm_partition="any", threads=1000))
    assert cluster.fit(JobParameters("train", 5000)).runtime == 5000


def test_a_cluster_of_which_nothing_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*command: str) -> str:
        raise SlurmError(f"{command[0]}: Unable to contact slurm controller")

    monkeypatch.setattr(cluster_module, "call_slurm", away)
    with pytest.raises(SlurmError, match="scontrol: Unable to contact"):
        Cluster()


def test_what_a_rule_does_not_say_is_left_to_slurm() -> None:
    assert job_parameters(job(slurm_account="")) == JobParameters("train")
    assert job_parameters(job()).gpus_per_node is None


@pytest.mark.parametrize(
    ("resources", "key", "problem"),
    [
        ({"runtime": 0}, "runtime", "0 is too small"),
        ({"runtime": "soon"}, "runtime", "'soon' is not a whole number"),
        ({"mem_mb": 1.5}, "mem_mb", "not a whole number"),
        ({"gpu": -1}, "gpu", "too small"),
        ({"gpu": True}, "gpu", "not a whole number"),
        ({"gpu": 3, "nodes": 2}, "gpu", "cannot be shared equally by 2 nodes"),
        ({"gpu_model": "a100"}, "gpu_model", "`gpu` asks for none"),
        ({"gres": "gpu:1", "gpu": 1}, "gres", "not both"),
        ({"slurm_partition": "two words"}, "slurm_partition", "not a name"),
        ({"slurm_account": "x; rm -rf /"}, "slurm_account", "not a name"),
        ({"slurm_extra": "-p gpu"}, "slurm_extra", "'-p' is not of the form"),
        ({"slurm_extra": "--partition=gpu"}, "slurm_extra", "resource of its own: slurm_partition"),
        ({"slurm_extra": "--array=1-3"}, "slurm_extra", "set by the executor"),
        ({"slurm_extra": "--clusters=other"}, "slurm_extra", "set by the executor"),
        ({"slurm_extra": "--no_requeue"}, "slurm_extra", "set by the executor"),
        ({"slurm_extra": "--parti=gpu"}, "slurm_extra", "may be short for --partition"),
        ({"slurm_extra": "--mem-per-cpu=1G"}, "slurm_extra", "resource of its own: mem_mb_per_cpu"),
        ({"clusters": "other"}, "clusters", "not used by this executor"),
        ({"gpus": 1}, "gpus", "use gpu"),
        ({"gpu_share": 4, "gpu": 2}, "gpu_share", "cannot share"),
        ({"slurm_extra": "--comment='x"}, "slurm_extra", "No closing quotation"),
    ],
)
def test_refusals_name_rule_and_key(resources: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(ParameterError) as caught:
        job_parameters(job(**resources))
    assert str(caught.value).startswith(f"rule train: resources: {key}: ")
    assert problem in str(caught.value)


def test_the_cluster_is_read_from_its_own_words(cluster: Cluster) -> None:
    assert cluster.max_array_size == 1001
    assert cluster.default_partition == "cpu"
    cpu, first, second, old = cluster.kinds
    assert (cpu.partition, cpu.limit_minutes, cpu.cpus, cpu.mem_mb, cpu.gpus) == ("cpu", 1440, 16, 16000, {})
    assert (first.limit_minutes, first.gpus, second.gpus) == (150, {"a100": 4}, {"": 2})
    assert (old.available, old.limit_minutes, old.cpus) == (False, None, 4)


@pytest.mark.parametrize(
    ("parameters", "key", "problem"),
    [
        ({"slurm_partition": "nope"}, "slurm_partition", "no partition 'nope'; it has: cpu, gpu, old"),
        ({"slurm_partition": "old"}, "slurm_partition", "is down"),
        ({"threads": 17}, "threads", "17 cores a node; the nodes of 'cpu' have 16"),
        ({"threads": 9, "tasks": 2}, "threads", "18 cores a node"),
        ({"threads": 9, "tasks_per_node": 2}, "threads", "18 cores a node"),
        ({"threads": 4, "mem_mb_per_cpu": 5000}, "mem_mb_per_cpu", "20000 MB"),
        ({"slurm_partition": "cpu,nope"}, "slurm_partition", "no partition 'nope'"),
        ({"slurm_partition": "cpu,old", "threads": 17}, "threads", "17 cores a node; the nodes of 'cpu' have 16"),
        ({"slurm_partition": "cpu", "slurm_gpu_partition": "nope", "gpu": 1}, "slurm_partition", "no partition 'nope'"),
        ({"mem_mb": 16001}, "mem_mb", "16001 MB; the nodes of 'cpu' have 16000 MB"),
        ({"gpu": 1}, "gpu", "1 GPUs a node; the nodes of partition 'cpu' have 0"),
        ({"gpu": 1, "gpu_model": "h100", "slurm_partition": "gpu"}, "gpu_model", "it has: a100"),
    ],
)
def test_what_no_node_can_run_is_refused(cluster: Cluster, parameters: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(ParameterError) as caught:
        cluster.check(JobParameters("train", **parameters))
    assert str(caught.value).startswith(f"rule train: resources: {key}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [
        {"runtime": 1440, "threads": 16, "mem_mb": 16000},
        {"slurm_partition": "gpu", "gpu": 4, "runtime": 150, "mem_mb": 64000},
        {"slurm_partition": "gpu", "gpu": 8, "nodes": 2, "gpu_model": "a100"},
        {"threads": 16, "tasks": 2, "nodes": 2},
        {"slurm_partition": "old,cpu"},
        {"slurm_partition": "cpu,gpu", "gpu": 2},
        {"slurm_partition": "cpu", "slurm_gpu_partition": "gpu", "gpu": 2},
    ],
)
def test_what_fits_is_accepted(cluster: Cluster, parameters: dict[str, Any]) -> None:
    cluster.check(JobParameters("train", **parameters))


def test_the_signal_leaves_two_thirds_of_a_short_limit() -> None:
    settings = ExecutorSettings(cluster="slurm", signal_delay=120)
    assert signal_delay(settings, JobParameters("train", runtime=60)) == 120
    assert signal_delay(settings, JobParameters("train", runtime=3)) == 60
    assert signal_delay(settings, JobParameters("train", runtime=1)) == 20


def test_sbatch_parameters_hold_every_resource(tmp_path: Any) -> None:
    submitter = SlurmSubmitter(ExecutorSettings(cluster="slurm"), tmp_path)
    parameters = JobParameters(
        "train", 90, 3, 2000, 2, 4, 4, "a100", None, "gpu", "lab", "high", "zen", (("exclusive", True),)
    )
    options = submitter._sbatch_parameters("token", parameters, 7, ["12_1", "13"])
    assert options["mem"] == "2000M"
    assert options["gpus-per-node"] == "a100:2"
    assert options["dependency"] == "afterany:12_1:13"
    assert options["array"] == "0-6"
    assert options["comment"] == "token"
    assert options["signal"] == "USR2@120"
    assert (options["cpus-per-task"], options["ntasks"]) == (3, 4)
    assert options["requeue"] is options["exclusive"] is True
    # The site's own default may be to hand nothing on.
    assert options["export"] == "ALL"
    assert not {"gres", "wckey", "mem-per-cpu"} & set(options)


def test_memory_is_left_out_where_a_site_wants_none(tmp_path: Path) -> None:
    submitter = SlurmSubmitter(ExecutorSettings(cluster="slurm"), tmp_path)
    for resources, expected in (
        ({"mem_mb": 0}, {}),
        ({"mem_mb": 4000, "mem_mb_per_cpu": 500}, {"mem-per-cpu": "500M"}),
        ({"mem_mb": 4000, "slurm_extra": "--mem-per-gpu=1G"}, {"mem-per-gpu": "1G"}),
    ):
        options = submitter._sbatch_parameters("token", job_parameters(job(**resources)), 1, [])
        assert {name: value for name, value in options.items() if name.startswith("mem")} == expected


def test_a_pack_asks_for_the_cores_and_memory_of_all_and_one_gpu(tmp_path: Path) -> None:
    submitter = SlurmSubmitter(ExecutorSettings(cluster="slurm"), tmp_path)
    parameters = JobParameters("train", threads=2, mem_mb=1000, gpu=1, gpu_share=8)
    options = submitter._sbatch_parameters("token", parameters, 1, [], members=8)
    assert (options["cpus-per-task"], options["mem"], options["gpus-per-node"]) == (16, "8000M", "1")


def test_the_script_runs_the_sites_lines_first_and_writes_per_cent_signs_twice(tmp_path: Path) -> None:
    settings = ExecutorSettings(cluster="slurm", setup="module load cuda\nulimit -c 0")
    submitter = SlurmSubmitter(settings, tmp_path / "100%j of runs")
    calls = [make_call(settings, JobParameters("train"), "true", tmp_path) for _ in range(2)]
    lines = submitter._script("token", JobParameters("train"), calls, []).splitlines()
    (output,) = [line for line in lines if line.startswith("#SBATCH --output=")]
    assert output == f"#SBATCH --output='{tmp_path}/100%%j of runs/token/%A_%a_0_log.out'"
    step = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    assert lines[step - 2 : step] == ["module load cuda", "ulimit -c 0"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"cluster": "auto"}, "submitit-cluster is 'auto'; use slurm or local"),
        ({"cluster": "slurm", "on_exit": "wait"}, "submitit-on-exit is 'wait'"),
        ({"cluster": "slurm", "array_size": 0}, "submitit-array-size is 0"),
        ({"cluster": "slurm", "max_timeouts": -1}, "submitit-max-timeouts is -1"),
        ({"cluster": "local", "visible_gpus": "0,x"}, "submitit-visible-gpus is '0,x'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(WorkflowError, match=problem):
        ExecutorSettings(**settings).check()


def test_visible_gpus_are_numbers() -> None:
    assert ExecutorSettings(cluster="local", visible_gpus="0, 3").gpus() == (0, 3)
    assert ExecutorSettings(cluster="local").gpus() == ()
