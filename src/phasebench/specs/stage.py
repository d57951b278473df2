"""The identity of each stage: everything that can change its result, as one small JSON file.

A spec file holds what is asked for, the hashes of the code that answers, and the pinned packages of the environment;
no time, and no place on this machine but the path that a data source may be given. It is an input of its rule and is
written only when its bytes change.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from phasebench.common.files import canonical_json
from phasebench.common.validation import read_json_model
from phasebench.specs.run import Frozen, Name, Scalar

Identity = TypeVar("Identity", bound=BaseModel)


class DatasetIdentity(Frozen):
    """A prepared data set."""

    schema_version: Literal[1] = 1
    dataset: Name
    source: Name
    options: dict[str, Scalar]
    code: dict[str, str] = Field(description="module -> hash of the definitions that preparing it reaches")
    environment: dict[str, str] = Field(description="package -> version pinned in the training environment")
    raw: dict[str, str] = Field(
        default_factory=dict, description="raw file -> checksum; of images in shards, folder -> time of its last change"
    )

    def to_json(self) -> str:
        """Canonical JSON, the bytes of the spec file. A source that reads no files says nothing of them."""
        return canonical_json(self.model_dump(mode="json", exclude=None if self.raw else {"raw"}))


class StageIdentity(Frozen):
    """An evaluation, timings of networks, baselines or properties of a study, an analysis, aggregation or report."""

    schema_version: Literal[1] = 1
    stage: Literal["evaluate", "overhead", "baselines", "properties", "analyse", "aggregate", "report"]
    settings: dict[str, Any] = Field(description="what the stage is asked to do")
    code: dict[str, str] = Field(description="module -> hash of the definitions that the stage reaches")
    environment: dict[str, str] = Field(description="package -> version pinned in the stage's environment")

    def to_json(self) -> str:
        """Canonical JSON, the bytes of the spec file."""
        return canonical_json(self.model_dump(mode="json"))


def read_identity(kind: type[Identity], path: Path) -> Identity:
    """Read a spec file.

    Raises
    ------
    PhasebenchError
        The file is missing, cut, or not of this kind.
    """
    return read_json_model(kind, path, "run snakemake to write the file again")


def evaluation_key(name: str, samples: int | None) -> str:
    """Name of the spec file of an evaluation, ``rotation`` or, of the first 100 test samples, ``rotation-100``."""
    return name if samples is None else f"{name}-{samples}"


def datasets_of(inputs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the data sets that the inputs of the baselines are of, each once."""
    return tuple(dict.fromkeys(one["dataset"] for one in inputs))
