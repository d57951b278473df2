"""The columns of the tables and the coordinates of a cell stand once, and the writer is held to them."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import COORDINATES, RunSpec, coordinates, rounded
from phasebench.specs.value_tables import COLUMN_TYPES
from phasebench.tables.schema import COLUMNS, check_columns

PACKAGE = ROOT / "src" / "phasebench"
# The columns of runs, metrics and items, which stand in tables/schema.py, and the models that validate what is read.
OWN = {PACKAGE / "specs" / "run.py"}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - OWN)


def listed_coordinates(source: str) -> list[list[str]]:
    """Literal lists, tuples and sets in which four or more coordinates of a cell stand."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            texts = [part.value for part in node.elts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if len(set(texts) & set(COORDINATES)) >= 4:
                found.append(texts)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_module_lists_the_coordinates_of_a_cell(path: Path) -> None:
    assert listed_coordinates(path.read_text(encoding="utf-8")) == []


def test_the_search_finds_lists() -> None:
    source = 'a = ("dataset", "encoding", "model", "seed", "n")\nb = ["dataset", "n"]\nc = {"suite", "model", "seed"}\n'
    assert listed_coordinates(source) == [["dataset", "encoding", "model", "seed", "n"]]


def test_coordinates_are_fields_of_a_run() -> None:
    assert set(COORDINATES) <= RunSpec.model_fields.keys()
    assert coordinates() == COORDINATES
    assert coordinates("suite", "experiment", "seed") == COORDINATES[2:-1]
    with pytest.raises(ValueError, match="no coordinate of a cell: models"):
        coordinates("models")


def test_a_fraction_is_rounded_alike_everywhere() -> None:
    value = 0.1 + 0.2
    assert value != 0.3
    assert rounded(value) == 0.3
    assert rounded(np.array([value])).tolist() == rounded(pd.Series([value])).tolist() == [0.3]


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_a_writer_that_forgets_or_adds_a_column_is_refused(table: str) -> None:
    columns = list(COLUMNS[table])
    check_columns(table, columns)
    check_columns(table, columns[::-1])
    with pytest.raises(PhasebenchError, match=f"table '{table}': {columns[-1]}: missing column"):
        check_columns(table, columns[:-1])
    with pytest.raises(PhasebenchError, match=f"table '{table}': extra: unknown column"):
        check_columns(table, [*columns, "extra"])


def test_every_table_is_an_output_of_the_aggregation() -> None:
    text = (ROOT / "workflow" / "rules" / "report.smk").read_text(encoding="utf-8")
    assert {name for name in COLUMNS if f'results.table("{name}")' in text} == COLUMNS.keys()
    assert text.count("results.table(") == len(COLUMNS)


def test_analyses_have_the_columns_of_values() -> None:
    assert list(COLUMNS["analyses"]) == ["suite", "experiment", "analysis", *COLUMN_TYPES]
    assert COLUMNS["analyses"]["seed"] == "number"
    assert COLUMNS["claims"]["published"] == "text"
    assert COLUMNS["metrics"]["published"] == "number"
