"""Options of the commands that look at a configuration: they take what Snakemake takes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phasebench.common.wording import FILE_OPTION, OPTION, SCALE_OPTION

if TYPE_CHECKING:
    from phasebench.plan.settings import Settings

ConfigFileOption = Annotated[
    list[Path] | None,
    typer.Option(FILE_OPTION, "--configfiles", help="A file that goes before config.yaml, as given to Snakemake."),
]
ConfigOption = Annotated[
    list[str] | None,
    typer.Option(OPTION, "-C", metavar="KEY=VALUE", help="A value that goes before all files, as given to Snakemake."),
]
ScaleOption = Annotated[str | None, typer.Option(SCALE_OPTION, help="Short for --config scale=...")]
_FOLLOWERS = {
    **dict.fromkeys((OPTION, "-C"), re.compile(r"[A-Za-z_][\w-]*=.*", re.DOTALL)),
    **dict.fromkeys((FILE_OPTION, "--configfiles"), re.compile(r"[^-].*\.(?:ya?ml|json)")),
}


def chosen_settings(files: Sequence[Path] | None, options: Sequence[str] | None, scale: str | None) -> "Settings":
    """Settings of the working folder with these options.

    Raises
    ------
    PhasebenchError
        A file is missing or no YAML, or an option is not right.
    """
    from phasebench.plan.settings import parse_options, read_settings

    return read_settings(Path(), files or (), parse_options(options or ())).with_scale(scale)


def one_value_each(arguments: Sequence[str]) -> Iterator[str]:
    """Arguments in which an option with several values, as Snakemake takes them, is repeated before each value.

    Examples
    --------
    >>> list(one_value_each(["diff", "--config", "scale=small", "device=cpu", "run"]))
    ['diff', '--config', 'scale=small', '--config', 'device=cpu', 'run']
    """
    option, values = "", 0
    for argument in arguments:
        if argument in _FOLLOWERS:
            option, values = argument, 0
        elif option:
            if values and not _FOLLOWERS[option].fullmatch(argument):
                option = ""
            elif values:
                yield option
            values += 1
        yield argument
