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
    state: Annotated[StateName | None, typer.Option(help="Only runs in this state.")] = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of config.yaml: done, stale and why, interrupted or missing, with their cost so far."""
    from dataclasses import asdict

    from phasebench.experiments.status import Checkout, as_line, as_total

    runs = Checkout(Path(), scale).status()
    chosen = [run for run in runs if state in (None, run.state)]
    if as_json:
        print(json.dumps([asdict(run) for run in chosen], indent=2))
    else:
        print("\n".join([*map(as_line, chosen), as_total(runs)]))


@views.command()
def diff(
    run: Annotated[str, typer.Argument(help="The run's id, as `phasebench status` prints it.")],
    scale: ScaleOption = None,
) -> None:
    """Show what has changed since a run was made: settings, code, packages and data."""
    from phasebench.experiments.difference import difference_of_run
    from phasebench.experiments.status import Checkout

    print(difference_of_run(Checkout(Path(), scale), run))


@views.command()
def models(as_json: JsonOption = False) -> None:
    """List the registered models with their parameter counts, for ten classes."""
    from phasebench.models.listing import list_models

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
