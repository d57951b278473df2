"""The checked-in JSON schemas are those of the typed models, and close what the models close."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from support.checkout import ROOT

from phasebench.cli.schemas import MODELS, write_schemas

SCHEMAS = ROOT / "workflow" / "schemas"
FILES = [("config", ROOT / "config.yaml")] + [
    (kind, path) for kind in ("suite", "scale") for path in sorted((ROOT / "workflow" / f"{kind}s").glob("*.yaml"))
]


def test_the_checked_in_schemas_are_up_to_date(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in SCHEMAS.iterdir()}, "run `make schemas`"
    assert written.keys() == {f"{name}.schema.json" for name in MODELS}


@pytest.mark.parametrize(("kind", "path"), FILES, ids=lambda value: getattr(value, "name", value))
def test_every_shipped_file_fits_its_schema(kind: str, path: Path) -> None:
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


@pytest.mark.parametrize("kind", MODELS)
def test_every_object_in_a_schema_is_closed(kind: str) -> None:
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    for name, model in {kind: schema, **schema["$defs"]}.items():
        assert model["additionalProperties"] is False, name


@pytest.mark.parametrize(("kind", "path"), FILES, ids=lambda value: getattr(value, "name", value))
def test_editors_find_the_schema(kind: str, path: Path) -> None:
    first, *_ = path.read_text().splitlines()
    if kind != "config":
        assert first == f"# yaml-language-server: $schema=../schemas/{kind}.schema.json"
