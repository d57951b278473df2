"""The commands that exchange results between folders."""

from pathlib import Path
from typing import Annotated

import typer

from phasebench.cli.options import ConfigFileOption, ConfigOption, ScaleOption, chosen_settings

exchange = typer.Typer()
_MOST_NAMED = 5
_EVALUATE_THERE = "it cannot be made here: run snakemake there at this commit, and import again"


@exchange.command()
def submit_result(
    names: Annotated[list[str], typer.Argument(help="Run ids, or beginnings of them such as SUITE/EXPERIMENT.")],
    origin: Annotated[str, typer.Option("--from", help="Name under which a page lists where the runs were made.")],
    output: Annotated[Path, typer.Option(help="The package to write.")] = Path("results.phasebench.zip"),
    weights: Annotated[bool, typer.Option("--weights", help="Add the trained weights.")] = False,
    scale: ScaleOption = None,
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Pack finished runs, with their provenance and evaluations, into one file with checksums."""
    from phasebench.common.files import sha256_of_file
    from phasebench.common.wording import counted
    from phasebench.provenance.packages import pack_results
    from phasebench.specs.paths import prepared_of, results_of

    scale = chosen_settings(configfile, config, scale).config().scale
    results, prepared = results_of(scale), prepared_of(scale)
    runs = pack_results(results, prepared, names, output, scale=scale, origin=origin, with_weights=weights)
    print(f"{output}: {counted(len(runs), 'run')}, {output.stat().st_size:,} bytes, SHA-256 {sha256_of_file(output)}")


@exchange.command(name="import")
def import_results(
    packages: Annotated[list[Path], typer.Argument(help="What `phasebench submit-result` has written.")],
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Check packages of results and add their runs to those of this folder, at the scale that each package has."""
    from phasebench.common.wording import counted
    from phasebench.provenance.packages import import_package, read_index_of
    from phasebench.provenance.status import Checkout

    for package in packages:
        scale = read_index_of(package).scale
        settings = chosen_settings(configfile, config, scale)
        found = import_package(package, Checkout(Path(), settings, with_missing_data=True))
        print(f"{package}: {counted(len(found.runs), 'run')} from {found.origin} imported into results/{scale}")
        for number, (run_id, reason) in enumerate(found.left_out.items()):
            if number < _MOST_NAMED:
                print(f"{package}: left out: {run_id} {reason}")
        if (more := len(found.left_out) - _MOST_NAMED) > 0:
            print(f"{package}: left out: {counted(more, 'more run')}")
        for evaluation, runs in sorted(found.lacking.items()):
            place = runs[0] if len(runs) == 1 else f"{counted(len(runs), 'run')}, such as {runs[0]}"
            print(f"{package}: evaluation '{evaluation}' is missing or not current: {place}; {_EVALUATE_THERE}")
    print("run snakemake to bring the page up to date")
