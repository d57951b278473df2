"""The check of a card: its table, its time limits, and what it says where a part cannot run."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.checkout import ROOT

from phasebench.models.registry import REGISTRY

sys.path.append(str(ROOT / "benchmarks"))
import gpu_check
from gpu_parts import cuda_tests, report, runs, session, steps

SCRIPT = ROOT / "benchmarks/gpu_check.py"
# None stands for a module that cannot be imported.
WITHOUT_PYDANTIC = """
import sys
sys.modules["pydantic"] = None
from gpu_parts import layers, resnets, runs, small_run, steps
for name in steps.NETWORKS:
    steps.build(name, "cpu")
"""


def part_session(tmp_path: Path, seconds: float = 60.0) -> session.Session:
    (tmp_path / "rows").touch()
    return session.Session("part", "cpu", seconds, tmp_path / "rows")


def test_the_table_and_the_json_beside_it(tmp_path: Path) -> None:
    rows = [
        session.Row("step", "real, eager", 1.2345, 207372.4, "images/s"),
        session.Row("step", "type i, eager", 2.469, 103.686, "images/s", 2.0, "real, eager"),
        session.Row("step", "a|b", note="skipped: the time is up"),
    ]
    text, data = report.write(tmp_path / "new", "x-2026-01-31", {"card": "X 1", "torch": "2.11"}, rows)
    assert text.read_text(encoding="utf-8").splitlines() == [
        "# X 1",
        "",
        "torch 2.11",
        "",
        "| part | measured | ms | per second | ratio | to | note |",
        "|---|---|--:|--:|--:|---|---|",
        "| step | real, eager | 1.23 | 207,372 images/s |  |  |  |",
        "| step | type i, eager | 2.47 | 104 images/s | 2.00 | real, eager |  |",
        "| step | a/b |  |  |  |  | skipped: the time is up |",
    ]
    content = json.loads(data.read_text(encoding="utf-8"))
    assert content["machine"] == {"card": "X 1", "torch": "2.11"}
    assert [session.Row(**row) for row in content["rows"]] == rows


def test_files_are_named_by_card_and_date() -> None:
    assert report.file_stem("NVIDIA H100 80GB HBM3", "2026-01-31") == "nvidia-h100-80gb-hbm3-2026-01-31"


def test_rows_survive_a_part_that_is_stopped_in_the_middle_of_one(tmp_path: Path) -> None:
    part_session(tmp_path).note("whole", "x")
    with (tmp_path / "rows").open("a", encoding="utf-8") as file:
        file.write('{"part": "st')
    assert report.read_rows(tmp_path / "rows") == [session.Row("part", "whole", note="x")]


def test_a_failure_and_time_that_is_up_are_rows(tmp_path: Path) -> None:
    own, late = part_session(tmp_path), part_session(tmp_path, 0.0)
    with own.attempt("broken"):
        raise ValueError("\nfirst\nsecond")
    assert own.has_time("never written")
    assert not late.has_time("late")
    assert [(row.what, row.note) for row in report.read_rows(tmp_path / "rows")] == [
        ("broken", "failed: ValueError: first"),
        ("late", "skipped: the time is up"),
    ]


def test_medians_keep_to_their_time(tmp_path: Path) -> None:
    begin = time.monotonic()
    found = part_session(tmp_path).medians({"slow": lambda: time.sleep(0.02), "quick": lambda: None}, 0.5)
    assert 0.02 <= found["slow"] < 0.2
    assert found["quick"] < found["slow"]
    assert time.monotonic() - begin < 5.0


def test_all_parts_together_end_in_eight_minutes() -> None:
    # The description of the machine comes first, and writing the files last.
    assert gpu_check.WHOLE_SECONDS <= 8 * 60 - 10
    longest = sum(part.seconds + gpu_check.GRACE_SECONDS for part in gpu_check.PARTS.values())
    assert longest <= gpu_check.WHOLE_SECONDS


def test_a_part_that_takes_too_long_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_part.py").write_text(
        "import subprocess, sys, time\n"
        "def measure(session):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    session.note('child', str(child.pid))\n"
        "    time.sleep(600)\n",
        encoding="utf-8",
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from gpu_parts.session import Session\n"
        "import slow_part\n"
        "slow_part.measure(Session('slow', 'cpu', 1.0, Path(sys.argv[-1])))\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(gpu_check, "__file__", str(script))
    monkeypatch.setitem(gpu_check.PARTS, "slow", gpu_check.Part("slow", "", 1.0, ()))
    child, rest = gpu_check.run_part("slow", "cpu", 1.0, 4.0)
    assert (rest.what, rest.note) == ("the rest", "skipped: stopped after 4 s")
    for _ in range(50):
        if not Path(f"/proc/{child.note}").exists() or " Z " in Path(f"/proc/{child.note}/stat").read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the process that the part started still runs")


def test_a_part_is_skipped_by_name_without_its_packages_and_without_time(monkeypatch: pytest.MonkeyPatch) -> None:
    part = gpu_check.Part("new", "no:where", 1.0, ("torch", "no_such_package"))
    monkeypatch.setitem(gpu_check.PARTS, "new", part)
    assert [row.note for row in gpu_check.run_part("new", "cpu", 1.0, 5.0)] == [
        "skipped: not installed: no_such_package"
    ]
    assert [row.note for row in gpu_check.run_part("steps", "cpu", 1.0, 0.0)] == ["skipped: the time is up"]


def test_a_part_that_fails_says_so_in_one_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError('of no use')\n", encoding="utf-8")
    monkeypatch.setattr(gpu_check, "__file__", str(broken))
    (row,) = gpu_check.run_part("steps", "cpu", 1.0, 60.0)
    assert row.note == "failed: exit status 1: ValueError: of no use"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_without_a_card_it_ends_with_one_line() -> None:
    words = ["make", "--silent", "gpu-check", f"PYTHON={sys.executable}"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    ours = [line for line in run.stderr.splitlines() if not line.startswith("make")]
    assert ours == ["gpu-check: this machine shows no CUDA card; gpu-check measures one, and there is nothing to do"]
    assert run.stdout == ""


def test_without_torch_it_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"^gpu-check: .* has no torch; name another one: make gpu-check PYTHON="):
        gpu_check.describe_machine("cuda")


def test_on_a_cpu_every_part_measures_or_says_why_not(tmp_path: Path) -> None:
    words = ["--device", "cpu", "--seconds", "0.2", "--parts", "tests", "steps", "runs", "--output", str(tmp_path)]
    subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=gpu_check.environment(), capture_output=True, check=True, timeout=300
    )
    (path,) = tmp_path.glob("cpu-*.json")
    rows = [session.Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    notes = {row.what: row.note for row in rows}
    assert {row.part for row in rows} == {"CUDA tests", "training step", "small runs at once"}
    assert all((row.milliseconds is None) == bool(row.note) for row in rows)
    assert notes["all networks, CUDA graph"] == notes["with MPS"] == "skipped: needs a CUDA card"
    assert any(row.part == "training step" and row.milliseconds for row in rows)


def test_parts_need_no_pydantic() -> None:
    run = [sys.executable, "-c", WITHOUT_PYDANTIC]
    subprocess.run(run, env=gpu_check.environment(), check=True, timeout=300)


def test_the_networks_are_those_of_the_registry() -> None:
    assert {name: REGISTRY[name].target for name in steps.NETWORKS} == steps.NETWORKS


def test_small_runs_train_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", gpu_check.environment()["PYTHONPATH"])
    rates = runs.total_rates(2, [steps.EAGER], "cpu", 0.5, {})
    assert list(rates) == [steps.EAGER]
    assert rates[steps.EAGER] > 0.0
    with pytest.raises(RuntimeError, match=r"a run ended early: .*argument --device"):
        runs.total_rates(1, [steps.EAGER], "tpu", 0.5, {})


def test_the_multi_process_service_ends_with_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = tmp_path / runs.MPS_CONTROL
    log = tmp_path / "log"
    service.write_text(
        f'#!/bin/sh\nif [ "$1" = -f ]; then echo start >> {log}; exec sleep 600; fi\n'
        f'read word; echo "$word $CUDA_MPS_PIPE_DIRECTORY" >> {log}\n',
        encoding="utf-8",
    )
    service.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with runs.mps_daemon() as environment:
        assert Path(environment["CUDA_MPS_PIPE_DIRECTORY"]).is_dir()
    assert log.read_text(encoding="utf-8").splitlines() == ["start", f"quit {environment['CUDA_MPS_PIPE_DIRECTORY']}"]
    service.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="ended at once with exit status 3"), runs.mps_daemon():
        pass


def test_the_plugin_keeps_tests_for_a_card_and_counts_them(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        f"@pytest.mark.skipif(True, reason='{cuda_tests.REASON}')\n"
        "def test_skipped(): pass\n"
        f"@pytest.mark.skipif(False, reason='{cuda_tests.REASON}')\n"
        "@pytest.mark.parametrize('fine', [True, False])\n"
        "def test_run(fine): assert fine\n"
        "def test_of_another_kind(): assert False\n",
        encoding="utf-8",
    )
    (tmp_path / "test_y.py").write_text("import no_such_package\n", encoding="utf-8")
    counts = tmp_path / "counts.json"
    environment = {**gpu_check.environment(), "PHASEBENCH_CUDA_TEST_COUNTS": str(counts)}
    words = ["-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "gpu_parts.cuda_tests", str(tmp_path)]
    subprocess.run([sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, check=False)
    found = json.loads(counts.read_text(encoding="utf-8"))
    assert cuda_tests.summary(found["counts"]) == "1 passed, 1 failed, 1 skipped"
    assert list(found["broken"]) == ["test_y.py", "test_x.py::test_run[False]"]
    assert "no_such_package" in found["broken"]["test_y.py"]


def test_every_test_that_asks_for_a_card_is_found() -> None:
    asking = {
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"skipif\(not torch\.cuda\.is_available\(\)", path.read_text(encoding="utf-8"))
    }
    assert len(asking) >= 3
    assert asking == set(cuda_tests.test_files(ROOT / "tests"))
