"""The commands that only look at what there is."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from phasebench.cli.options import ConfigFileOption, ConfigOption, ScaleOption, chosen_settings

views = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StateName = Literal["done", "stale", "damaged", "failed", "interrupted", "missing"]


@views.command()
def status(
    state: Annotated[StateName | None, typer.Option(help="Only what is in this state.")] = None,
    scale: ScaleOption = None,
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets and runs of config.yaml: their state and why, and what runs cost; and what has no data.

    The last line counts the claims by their marks, as they were last aggregated.
    """
    from dataclasses import asdict

    from phasebench.plan.missing import left_out_lines
    from phasebench.provenance.status import Checkout, as_line, as_marks, as_total

    checkout = Checkout(Path(), chosen_settings(configfile, config, scale))
    datasets, runs = checkout.datasets(), checkout.status()
    marks = checkout.claim_marks()
    chosen_datasets = [dataset for dataset in datasets if state in (None, dataset.state)]
    chosen_runs = [run for run in runs if state in (None, run.state)]
    if as_json:
        told = {
            "datasets": list(map(asdict, chosen_datasets)),
            "runs": list(map(asdict, chosen_runs)),
            "left_out": list(map(asdict, checkout.plan.left_out)),
            "claims": marks,
        }
        print(json.dumps(told, indent=2))
        return
    lines = [*map(as_line, chosen_datasets), *map(as_line, chosen_runs), *left_out_lines(checkout.plan), as_total(runs)]
    print("\n".join([*lines, *([as_marks(marks)] if marks else [])]))


@views.command()
def diff(
    name: Annotated[str, typer.Argument(help="A run's id or a data set's name, as `phasebench status` prints it.")],
    scale: ScaleOption = None,
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what has changed since a run was made or a data set prepared: settings, code, packages and data."""
    from phasebench.provenance.difference import difference
    from phasebench.provenance.status import Checkout

    print(difference(Checkout(Path(), chosen_settings(configfile, config, scale)), name))


@views.command()
def estimate(
    scale: ScaleOption = None,
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
    missing_data: Annotated[
        bool, typer.Option("--missing-data", help="Count also what is left out since its data are not there.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time a few steps of networks that no finished run tells of.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate card or core hours and disk of what is still to be done, and say what each figure comes from."""
    from dataclasses import asdict

    from phasebench.cli.estimates import as_json_object, show
    from phasebench.plan.missing import left_out_lines
    from phasebench.provenance.estimate import estimate as estimated
    from phasebench.provenance.status import Checkout

    checkout = Checkout(Path(), chosen_settings(configfile, config, scale), with_missing_data=missing_data)
    work = estimated(checkout, measure)
    if as_json:
        left_out = list(map(asdict, checkout.plan.left_out))
        told = {"scale": checkout.plan.scale.name, **as_json_object(work), "left_out": left_out}
        print(json.dumps(told, indent=2))
    else:
        show(work, left_out_lines(checkout.plan))


@views.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A results folder, such as results/demo.")],
    b: Annotated[Path, typer.Argument(help="The results folder that it is compared with.")],
    output: Annotated[Path, typer.Option(help="Where compare.html and compare.csv go.")] = Path("reports/compare"),
    fail_on_difference: Annotated[
        bool, typer.Option("--fail-on-difference", help="End with status 1 if a cell differs beyond its intervals.")
    ] = False,
) -> None:
    """Compare two results folders cell by cell, as a page and a CSV file: two clusters, or before and after."""
    from phasebench.reporting.compare.comparison import compare_results

    outcome = compare_results(a, b, output)
    print(f"{outcome.sentence}; {outcome.page}")
    if fail_on_difference and outcome.n_different:
        raise typer.Exit(1)


@views.command()
def models(
    as_json: JsonOption = False,
    count: Annotated[
        bool, typer.Option("--count", help="Build all networks and store their counts anew, after a change.")
    ] = False,
) -> None:
    """List the registered models with their parameter counts, for ten classes, and what installed packages offer."""
    from phasebench.models.listing import list_models, write_counts
    from phasebench.plan.external import offered_networks

    if count:
        write_counts()
    rows = list_models()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value or "") for value in row.values()))
    Console().print(table)
    for name, target in sorted(offered_networks().items()):
        print(f"offered by an installed package, for models in config.yaml: {name} ({target})")
