"""The tables of the executor's README, held against the code."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from submitit.core import job_environment
from support.checkout import ROOT

from snakemake_executor_plugin_submitit.job_parameters import job_parameters
from snakemake_executor_plugin_submitit.settings import ExecutorSettings

README = (ROOT / "executor/README.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "executor/src").rglob("*.py"))


def table(title: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    section = README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_all_settings_are_listed_with_their_defaults() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in table("Settings")}
    settings = {f"submitit-{field.name.replace('_', '-')}": field for field in fields(ExecutorSettings)}
    assert list(listed) == list(settings)
    for name, field in settings.items():
        required = "required" if field.metadata.get("required") else "none"
        assert listed[name] == (required if field.default is None else str(field.default)), name


class AskedResources(dict[str, Any]):
    """Resources of a job that remember which of them were read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.append(key)
        return default


def test_all_resources_are_listed() -> None:
    resources = AskedResources()
    job: Any = SimpleNamespace(name="train", threads=1, resources=resources)
    job_parameters(job)
    assert {row[0].strip("`") for row in table("Resources")} == {*resources.asked, "threads"}


@pytest.mark.parametrize("message", [row[0] for row in table("Failures")])
def test_the_messages_are_the_executors(message: str) -> None:
    submitit = Path(job_environment.__file__)
    texts = [re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in [*SOURCES, submitit]]
    for quoted in re.findall("`([^`]*)`", message):
        # A placeholder stands for what differs from job to job.
        parts = [part for part in re.split(r" ?(?:\.\.\.|KEY)[: ]*", quoted) if part]
        assert any(all(part in text for part in parts) for text in texts), parts


def block(language: str) -> str:
    """The code block in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(found)


def test_the_example_is_a_workflow_that_the_profile_can_run(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(block("python"))
    profile = tmp_path / "profiles/cluster/profile.v9+.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text(block("yaml"))
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/cluster", "--dry-run"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for rule in ("prepare", "train", "test"):
        assert f"rule {rule}:" in result.stdout
    assert "slurm_partition=gpu" in result.stdout
    assert "slurm_partition=cpu" in result.stdout


def test_all_modules_are_listed() -> None:
    listed = re.findall(r"\b\w+\.py\b", README.split("## Modules\n", 1)[1].split("\n\n")[0])
    assert sorted(listed) == [path.name for path in SOURCES if path.name != "__init__.py"]
