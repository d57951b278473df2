"""The commands that only look at what there is."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

views = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ScaleOption = Annotated[str | None, typer.Option(help="Another scale than config.yaml's.")]
StateName = Literal["done", "stale", "interrupted", "missing"]


@views.command()
def status(
    state: Annotated[StateName | None, typer.Option(help="Only what is in this state.")] = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets and runs of config.yaml: done, stale and why, interrupted or missing, and what runs cost.

    The last line counts the claims by their marks, as they were last aggregated.
    """
    from dataclasses import asdict

    from phasebench.provenance.status import Checkout, as_line, as_marks, as_total

    checkout = Checkout(Path(), scale)
    datasets, runs = checkout.datasets(), checkout.status()
    marks = checkout.claim_marks()
    chosen_datasets = [dataset for dataset in datasets if state in (None, dataset.state)]
    chosen_runs = [run for run in runs if state in (None, run.state)]
    if as_json:
        told = {"datasets": list(map(asdict, chosen_datasets)), "runs": list(map(asdict, chosen_runs)), "claims": marks}
        print(json.dumps(told, indent=2))
    else:
        print("\n".join([*map(as_line, chosen_datasets), *map(as_line, chosen_runs), as_total(runs)]))
        if marks:
            print(as_marks(marks))


@views.command()
def diff(
    name: Annotated[str, typer.Argument(help="A run's id or a data set's name, as `phasebench status` prints it.")],
    scale: ScaleOption = None,
) -> None:
    """Show what has changed since a run was made or a data set prepared: settings, code, packages and data."""
    from phasebench.provenance.difference import difference
    from phasebench.provenance.status import Checkout

    print(difference(Checkout(Path(), scale), name))


@views.command()
def models(
    as_json: JsonOption = False,
    count: Annotated[
        bool, typer.Option("--count", help="Build all networks and store their counts anew, after a change.")
    ] = False,
) -> None:
    """List the registered models with their parameter counts, for ten classes."""
    from phasebench.models.listing import list_models, write_counts

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
