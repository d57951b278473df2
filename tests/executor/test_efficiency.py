"""The table of what jobs used beside what they asked for."""

import csv
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit import efficiency as efficiency_module
from snakemake_executor_plugin_submitit.efficiency import COLUMNS, write_efficiency
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError

# Job, seconds, minutes asked, processor time, cores, memory, allocation, use.
SACCT = """12_0|3600|120|01:30:00|2||billing=2,cpu=2,gres/gpu=1,mem=8000M,node=1|
12_0.batch|3600||01:30:00|2|1024K|cpu=2,mem=8000M,node=1|cpu=00:00:01,mem=1M
12_0.0|3600||01:30:00|2|2G|cpu=2,mem=8000M,node=1|cpu=01:30:00,gres/gpumem=500M,gres/gpuutil=40,mem=2G
12_1|1800|120|1-00:00:00|2||cpu=2,mem=8000M,node=1|
12_1|1800|120|00:00:00|2||cpu=2,mem=8000M,node=1|
13|60|UNLIMITED|10:30.500|1||cpu=1,mem=1G,node=1|
99|1|1|00:01|1||cpu=1|
"""


def test_each_rule_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficiency_module, "call_slurm", lambda *command: SACCT)
    path = tmp_path / "efficiency.csv"
    assert write_efficiency(path, {"12_0": "train", "12_1": "train", "13": "prepare"})
    prepare, train = csv.DictReader(path.open())
    assert tuple(train) == COLUMNS
    assert (train["rule"], train["jobs"], train["hours"], train["longest_minutes"]) == ("train", "2", "2.00", "60.0")
    assert (train["limit_minutes"], train["largest_memory_mb"], train["memory_mb"]) == ("120", "2048", "8000")
    # 1.5 and 24 hours of the 4 that two cores had.
    assert (train["cpu_use"], train["gpu_use"]) == ("6.38", "0.40")
    assert (prepare["limit_minutes"], prepare["cpu_use"], prepare["gpu_use"]) == ("0", "10.51", "")
    assert prepare["memory_mb"] == "1024"


def test_without_accounting_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*command: str) -> str:
        raise SlurmError("sacct: Slurm accounting storage is disabled")

    monkeypatch.setattr(efficiency_module, "call_slurm", fails)
    assert not write_efficiency(tmp_path / "efficiency.csv", {"12": "train"})
    assert list(tmp_path.iterdir()) == []
