"""Check of this code on a CUDA card, in under eight minutes, with nothing but torch and what the image has.

The CUDA tests; training steps eager, compiled and as CUDA graphs; spectral batch normalisation; small runs at once;
residual networks in bfloat16. Each part has a process and a time of its own. The result is one Markdown table in
``benchmarks/results/<card>-<date>.md``, with JSON beside it; on a CPU, which only tests this script, it is printed.
"""

import argparse
import contextlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from gpu_parts.report import file_stem, markdown, read_rows, write
from gpu_parts.session import TIME_IS_UP, Row, Session, first_line

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
WHOLE_SECONDS = 470.0
# On top of a part's own time: imports before it, and the last measurement, which is not broken off.
GRACE_SECONDS = 20.0
PACKAGES = ("torch", "torchvision", "numpy", "h5py", "safetensors", "pydantic", "lazy_loader", "scipy", "pytest")


@dataclass(frozen=True)
class Part:
    """One part of the check."""

    title: str
    target: str
    """``module:function``; the function takes a :class:`Session`."""
    seconds: float
    needs: tuple[str, ...]
    """Packages without which it is skipped."""


PARTS = {
    "tests": Part("CUDA tests", "gpu_parts.cuda_tests:measure", 60.0, ("torch", "pytest")),
    "steps": Part("training step", "gpu_parts.steps:measure", 110.0, ("torch", "lazy_loader")),
    "layers": Part("SpectralBatchNorm2d", "gpu_parts.layers:measure", 60.0, ("torch", "lazy_loader")),
    "runs": Part("small runs at once", "gpu_parts.runs:measure", 90.0, ("torch", "lazy_loader")),
    "resnets": Part("ResNet, bfloat16", "gpu_parts.resnets:measure", 50.0, ("torch", "torchvision", "lazy_loader")),
}


def run_part(name: str, device: str, seconds: float, limit: float) -> list[Row]:
    """Run a part in a process group of its own, which is ended after ``limit`` seconds; what it measured is kept."""
    part = PARTS[name]
    if missing := [package for package in part.needs if find_spec(package) is None]:
        return [Row(part.title, "all", note=f"skipped: not installed: {', '.join(missing)}")]
    if limit <= 0.0:
        return [Row(part.title, "all", note=TIME_IS_UP)]
    with tempfile.TemporaryDirectory() as folder:
        rows, log = Path(folder) / "rows", Path(folder) / "log"
        rows.touch()
        words = ["--part", name, "--device", device, "--seconds", str(seconds), "--rows", str(rows)]
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        ending = _wait(process, limit, log)
        return [*read_rows(rows), *([Row(part.title, "the rest", note=ending)] if ending else [])]


def _wait(process: "subprocess.Popen[bytes]", limit: float, log: Path) -> str:
    """Wait for a part; how it ended if that was not well, else an empty string."""
    try:
        status = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return f"skipped: stopped after {limit:.0f} s"
    finally:
        # Also what a part has left running, such as the processes of a compiler.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return f"failed: exit status {status}: {first_line(''.join(last))}" if status else ""


def environment() -> dict[str, str]:
    """Environment of the parts: the modules beside this script and the package importable everywhere."""
    paths = [str(ROOT / "benchmarks"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def describe_machine(device: str) -> dict[str, str]:
    """Card, driver and versions, found in a process of its own: this one takes no memory of the card.

    Raises
    ------
    SystemExit
        There is no torch or no card.
    """
    if find_spec("torch") is None:
        raise SystemExit(f"gpu-check: {sys.executable} has no torch; name another one: make gpu-check PYTHON=...")
    words = [sys.executable, "-m", "gpu_parts.machine", device]
    run = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:]
        raise SystemExit(f"gpu-check: {first_line(''.join(last))}")
    machine: dict[str, str] = json.loads(run.stdout)
    missing = [package for package in PACKAGES if find_spec(package) is None]
    return {**machine, "commit": commit(), "not installed:": ", ".join(missing) or "nothing that it needs"}


def commit() -> str:
    """The commit of the checkout, or "unknown" where git or its folder is missing."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run.stdout.strip()


def check(device: str, seconds: float | None, names: list[str]) -> tuple[dict[str, str], list[Row]]:
    """Run the parts one after the other, all of them in under :data:`WHOLE_SECONDS`."""
    end = time.monotonic() + WHOLE_SECONDS
    machine = describe_machine(device)
    rows: list[Row] = []
    for name in names:
        own = PARTS[name].seconds if seconds is None else seconds
        limit = min(own + GRACE_SECONDS, end - time.monotonic())
        print(f"# {PARTS[name].title}: at most {max(0.0, limit):.0f} s", file=sys.stderr, flush=True)
        rows += run_part(name, device, own, limit)
    return machine, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, help="time for each part instead of its own, without its start")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--output", type=Path, help="folder of the files; benchmarks/results for a card")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part = PARTS[arguments.part]
        pkgutil.resolve_name(part.target)(Session(part.title, arguments.device, arguments.seconds, arguments.rows))
        return
    machine, rows = check(arguments.device, arguments.seconds, arguments.parts)
    print(markdown(machine, rows))
    folder = arguments.output or (RESULTS if arguments.device == "cuda" else None)
    if folder is not None:
        stem = file_stem(machine["card"], datetime.now(UTC).date().isoformat())
        print("\n".join(str(path) for path in write(folder, stem, machine, rows)))


if __name__ == "__main__":
    main()
