"""Checks of external networks before anything is trained, in a process of its own, remembered while it holds."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json_if_whole, sha256_of_text, write_plan
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.stage_code import run_code
from phasebench.specs.paths import Results
from phasebench.specs.run import RunSpec

_PREFIX = "phasebench: error: "
_CHECKED = "checked"
_DECIDES = {"model", "model_options", "external", "encoding"}


def check_networks(plan: BenchmarkPlan, tree: SourceTree, results: Path) -> None:
    """Raise a PhasebenchError unless every external network of the plan can be built and makes a training step.

    Where torch is not installed beside Snakemake, nothing is checked: the training's own job does so, first of all.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is to be run.
    tree : SourceTree
        The package's sources.
    results : Path
        The folder that holds one folder per scale.
    """
    if not plan.config.models or importlib.util.find_spec("torch") is None:
        return
    record = Results(results / plan.scale.name).checked_networks
    known = set(read_json_if_whole(record).get(_CHECKED, []))
    specs = {_key(spec, tree): spec for spec in _different(plan)}
    unknown = [spec for key, spec in specs.items() if key not in known]
    if unknown:
        check_apart(unknown, tree.folder.parent)
    write_plan(record, canonical_json({_CHECKED: sorted(specs)}))


def check_apart(specs: Sequence[RunSpec], source: Path) -> None:
    """Check networks in a process of its own: the author's code may do anything, and torch is no part of planning.

    Parameters
    ----------
    specs : sequence of RunSpec
        One run of each.
    source : Path
        Folder of the package.

    Raises
    ------
    PhasebenchError
        One of them fails.
    """
    paths = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "phasebench", "check-networks"],
        input=canonical_json([spec.model_dump(mode="json") for spec in specs]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = ([*filter(None, done.stderr.splitlines())] or [f"their check ended with status {done.returncode}"])[-1]
        raise PhasebenchError(f"configuration: models: {last.removeprefix(_PREFIX)}")


def _key(spec: RunSpec, tree: SourceTree) -> str:
    return sha256_of_text(canonical_json({**_deciding(spec), "code": run_code(tree, spec)}))


def _deciding(spec: RunSpec) -> dict[str, Any]:
    """Settings of a run that decide whether its network works."""
    return {**spec.model_dump(mode="json", include=_DECIDES), "procedure": spec.recipe.procedure}


def _different(plan: BenchmarkPlan) -> Iterator[RunSpec]:
    """One run of each external network, encoding and procedure."""
    seen = set()
    for planned in plan.runs.values():
        spec = planned.spec
        if spec.external is None:
            continue
        key = canonical_json(_deciding(spec))
        if key not in seen:
            seen.add(key)
            yield spec
