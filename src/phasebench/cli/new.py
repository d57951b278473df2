"""The commands that write files to begin with."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from phasebench.common.errors import PhasebenchError

new = typer.Typer(help="Write commented files to begin with.", no_args_is_help=True)
EXAMPLE = "my_study"
"""Name of the study in the templates."""
_TEMPLATES = ("suite.yaml", "scales.yaml", "claims.yaml", "published.csv")
_SCHEMAS = {"suite.yaml": "suite", "scales.yaml": "study_scales", "claims.yaml": "claims"}


@new.callback()
def as_a_group() -> None:
    """Write commented files to begin with."""


@new.command()
def study(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    folder: Annotated[Path, typer.Option(help="Where the study's folder goes.")] = Path("studies"),
) -> None:
    """Write the folder of a study that runs at once: suite, scales, claims and published numbers."""
    print(f"{write_study(name, folder)}: edit it; snakemake --cores 2 --config 'suites=[{folder}/{name}]' runs it")


def write_study(name: str, folder: Path) -> Path:
    """Write the folder of a study.

    Raises
    ------
    PhasebenchError
        The name is not one, a study has it already, or the file system refuses.
    """
    from pydantic import TypeAdapter, ValidationError

    from phasebench.common.files import write_text
    from phasebench.plan.studies import shipped_study
    from phasebench.specs.paths import REPOSITORY, schema_address
    from phasebench.specs.run import Name

    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise PhasebenchError(f"{name}: a study's name has lower-case letters, digits and underscores alone") from error
    place = folder / name
    if place.exists() or shipped_study(name, REPOSITORY).suite.path.is_file():
        raise PhasebenchError(f"{place}: there is a study of this name; choose another")
    for file in _TEMPLATES:
        text = files("phasebench.cli").joinpath("study", file).read_text(encoding="utf-8").replace(EXAMPLE, name)
        if file in _SCHEMAS:
            text = f"# yaml-language-server: $schema={schema_address(_SCHEMAS[file], place)}\n{text}"
        write_text(place / file, text)
    return place
