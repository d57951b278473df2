"""JSON schemas of the files a person edits, for ``validate()`` in the workflow and for editors."""

from pathlib import Path

from pydantic import BaseModel

from phasebench.claims.model import StudyClaims
from phasebench.common.files import canonical_json, write_if_different
from phasebench.plan.config import Config, Scale, StudyScales, Suite

MODELS: dict[str, type[BaseModel]] = {
    "config": Config,
    "suite": Suite,
    "scale": Scale,
    "study_scales": StudyScales,
    "claims": StudyClaims,
}


def schema_text(model: type[BaseModel]) -> str:
    """The schema as canonical JSON."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return canonical_json(schema)


def write_schemas(output: Path) -> None:
    """Write ``<name>.schema.json`` for each of :data:`MODELS` where it changes.

    Parameters
    ----------
    output
        The folder.
    """
    for name, model in MODELS.items():
        write_if_different(output / f"{name}.schema.json", schema_text(model))
