"""The table of a study's properties: columns, outcomes, and the command that writes it."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.shipped import SUITES, shipped_suite

from phasebench.common.errors import PhasebenchError
from phasebench.properties.registry import LAWS
from phasebench.properties.rows import COLUMN_TYPES, OUTCOMES, Property, outcome
from phasebench.properties.run import measure_properties
from phasebench.provenance.stage_code import own_source, properties_code
from phasebench.specs.stage import StageIdentity

NETWORK: dict[str, Any] = {
    "model": "cifarnet_type_e",
    "input_shape": [2, 32, 32],
    "real": False,
    "published_parameters": 23_697,
    "invariant_to": ["phase"],
}


def identity(**changes: Any) -> StageIdentity:
    settings = {"suite": "study", "laws": ["complex_initialisation"], "networks": [NETWORK], **changes}
    code = properties_code(own_source(), settings["laws"], settings["networks"])
    return StageIdentity(stage="properties", settings=settings, code=code, environment={})


def command(folder: Path, spec: StageIdentity) -> subprocess.CompletedProcess[str]:
    (folder / "spec.json").write_text(spec.to_json())
    arguments = ["--spec", str(folder / "spec.json"), "--output", str(folder / "study.parquet")]
    return subprocess.run(
        [sys.executable, "-m", "phasebench", "properties", *arguments], capture_output=True, text=True
    )


def test_the_command_writes_laws_and_networks_with_their_origin(tmp_path: Path) -> None:
    done = command(tmp_path, identity())
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "study.parquet")
    assert list(table.columns) == list(COLUMN_TYPES)
    assert set(table["suite"]) == {"study"}
    assert set(table["subject"][table["kind"] == "network"]) == {"cifarnet_type_e"}
    expected = table[table["holds"].notna()]
    assert (expected["holds"] != expected["is_control"]).all()
    assert set(table["law"][table["holds"].isna()]) == {"real multiplications", "forward pass", "training step"}
    assert set(table.attrs["origin"]) == {"spec", "records"}


def test_every_law_is_measured_for_a_study() -> None:
    assert {law for suite in SUITES for law in shipped_suite(suite).properties or ()} == LAWS.keys()


def test_the_command_refuses_changed_code(tmp_path: Path) -> None:
    spec = identity()
    other = spec.model_copy(update={"code": {**spec.code, "phasebench.nn.complex.init": "0"}})
    done = command(tmp_path, other)
    assert done.returncode == 1
    assert "the code has changed since this was planned (phasebench.nn.complex.init)" in done.stderr


def test_an_unknown_law_or_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match="law 'gravity' is not known; choose one of complex_convolution, "):
        measure_properties("study", ["gravity"], [], tmp_path / "t.parquet")
    with pytest.raises(PhasebenchError, match="model 'gone' is not known"):
        measure_properties("study", [], [{**NETWORK, "model": "gone"}], tmp_path / "t.parquet")
    with pytest.raises(PhasebenchError, match="law 'gravity' is not known"):
        properties_code(own_source(), ["gravity"], [])


@pytest.mark.parametrize(
    ("value", "expected", "tolerance", "holds"),
    [(0.1, 0.0, 0.1, True), (-0.11, 0.0, 0.1, False), (math.nan, 0.0, 1.0, False), (3.0, math.nan, math.nan, None)],
)
def test_a_law_holds_within_its_tolerance(value: float, expected: float, tolerance: float, holds: bool | None) -> None:
    assert Property("layer", "x", "law", value, expected, tolerance).holds is holds


def test_outcomes_have_their_names() -> None:
    cases = [(True, False), (False, True), (None, False), (False, False), (True, True)]
    assert tuple(outcome(*case) for case in cases) == OUTCOMES
