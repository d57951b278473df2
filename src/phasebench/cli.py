"""The command line: one thin command for each rule of the workflow.

Imports stand inside the commands, so that none of them waits for libraries that it does not use.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from phasebench.errors import InterruptedRunError, PhasebenchError

# The shell's EX_TEMPFAIL: try again. The workflow can tell it from failure.
EXIT_INTERRUPTED = 75

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A benchmark of complex-valued and spectral neural networks. The workflow calls these commands; each can be "
    "called by hand with the same arguments.",
)

SpecOption = Annotated[Path, typer.Option(help="The stage's spec file, written by the workflow.")]
DataOption = Annotated[Path, typer.Option(help="The prepared HDF5 file.")]
OutputOption = Annotated[Path, typer.Option(help="Where the results go.")]
ResultsOption = Annotated[Path, typer.Option(help="The folder of one scale's results.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda; auto takes a GPU if there is one.")]


@app.command()
def prepare(
    spec: SpecOption,
    output: OutputOption,
    manifest: Annotated[Path, typer.Option(help="The small file that identifies the data set's content.")],
    data_root: Annotated[Path, typer.Option(help="Where raw data are looked for.")] = Path("data/raw"),
    download: Annotated[bool, typer.Option(help="Allow downloads of missing raw data.")] = False,
) -> None:
    """Turn a raw data set into one HDF5 file and its manifest."""
    from phasebench.data.prepare import prepare_dataset
    from phasebench.experiments.code import check_code, dataset_code, own_source
    from phasebench.experiments.identity import DatasetIdentity, read_identity

    identity = read_identity(DatasetIdentity, spec)
    check_code(str(spec), identity.code, dataset_code(own_source(), identity.source))
    prepare_dataset(identity.source, identity.options, data_root, download, output, manifest)


@app.command()
def train(
    spec: SpecOption,
    data: DataOption,
    output: OutputOption,
    checkpoint: Annotated[Path, typer.Option(help="Where the unfinished run is kept; it is resumed from there.")],
    device: DeviceOption = "auto",
    checkpoint_seconds: Annotated[float, typer.Option(help="Time between two checkpoints.")] = 60.0,
    lock_wait: Annotated[float, typer.Option(help="Seconds to wait for another process that trains this run.")] = 60.0,
) -> None:
    """Train one run, or go on with it."""
    from phasebench.experiments.code import check_code, own_source, run_code
    from phasebench.experiments.identity import read_identity
    from phasebench.experiments.provenance import collect_provenance
    from phasebench.spec import RunIdentity
    from phasebench.training.run import train_run
    from phasebench.training.run_lock import run_lock

    identity = read_identity(RunIdentity, spec)
    with run_lock(output, lock_wait):
        check_code(str(spec), identity.code, run_code(own_source(), identity.run))
        train_run(
            identity,
            data,
            output,
            checkpoint,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            provenance=collect_provenance(),
        )


@app.command()
def evaluate(
    spec: SpecOption,
    data: DataOption,
    run: Annotated[Path, typer.Option(help="The folder of the trained run.")],
    output: OutputOption,
    device: DeviceOption = "auto",
) -> None:
    """Evaluate one trained run."""
    from phasebench.evaluation.run import evaluate_run
    from phasebench.experiments.code import check_code, evaluation_code, own_source
    from phasebench.experiments.identity import StageIdentity, read_identity

    identity = read_identity(StageIdentity, spec)
    name = str(identity.settings["evaluation"])
    check_code(str(spec), identity.code, evaluation_code(own_source(), name))
    evaluate_run(name, data, run, output, device=device)


@app.command()
def analyse(
    spec: SpecOption,
    results: ResultsOption,
    prepared: Annotated[Path, typer.Option(help="The folder of the prepared data sets' manifests.")],
    output: OutputOption,
) -> None:
    """Analyse all runs of an experiment together."""
    from phasebench.analysis.run import analyse_runs
    from phasebench.experiments.code import analysis_code, check_code, own_source
    from phasebench.experiments.identity import StageIdentity, read_identity

    identity = read_identity(StageIdentity, spec)
    settings = identity.settings
    check_code(str(spec), identity.code, analysis_code(own_source(), settings["analysis"]))
    analyse_runs(settings["analysis"], settings["runs"], settings["published"], results, prepared, output)


@app.command()
def aggregate(
    spec: SpecOption,
    results: ResultsOption,
    output: OutputOption,
) -> None:
    """Collect all runs of a scale into tidy Parquet tables."""
    from phasebench.experiments.aggregate import aggregate_results
    from phasebench.experiments.identity import StageIdentity, read_identity

    aggregate_results(read_identity(StageIdentity, spec), results, output)


@app.command()
def report(
    spec: SpecOption,
    tables: Annotated[Path, typer.Option(help="The folder of the Parquet tables.")],
    output: OutputOption,
) -> None:
    """Write the HTML page, its figures and its tables."""
    from phasebench.experiments.identity import StageIdentity, read_identity
    from phasebench.reporting.build import build_report

    read_identity(StageIdentity, spec)
    build_report(tables, output)


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
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
        values = ("" if value is None else value for value in row.values())
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in values))
    Console().print(table)


@app.command()
def schemas(output: OutputOption = Path("workflow/schemas")) -> None:
    """Write the JSON schemas of the configuration files."""
    from phasebench.experiments.schemas import write_schemas

    write_schemas(output)


def main() -> None:
    """Run a command; a mistake of the user ends in one line and status 1, a requested stop in status 75."""
    try:
        app()
    except InterruptedRunError as error:
        print(f"phasebench: {error}; start it again to go on", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except PhasebenchError as error:
        print(f"phasebench: error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone, as in `phasebench models | head`; that is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
