"""The command line: one thin command for each rule of the workflow.

Imports stand inside the commands, so that none of them waits for libraries that it does not use.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from phasebench.cli.exchange import exchange
from phasebench.cli.inspect import views
from phasebench.cli.new import new
from phasebench.cli.options import ConfigFileOption, ConfigOption, ScaleOption, chosen_settings, one_value_each
from phasebench.common.errors import InterruptedRunError, PhasebenchError
from phasebench.common.messages import show_messages

# The shell's EX_TEMPFAIL: try again. The workflow can tell it from failure.
EXIT_INTERRUPTED = 75
_LOGGER = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A benchmark of complex-valued and spectral neural networks. The workflow calls these commands; each can be "
    "called by hand with the same arguments.",
)
app.add_typer(views)
app.add_typer(exchange)
app.add_typer(new, name="new")

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
    from phasebench.provenance.raw_inputs import record_downloads
    from phasebench.provenance.stage_code import check_code, dataset_code, own_source
    from phasebench.specs.stage import DatasetIdentity, read_identity

    identity = read_identity(DatasetIdentity, spec)
    check_code(str(spec), identity.code, dataset_code(own_source(), identity.source, identity.options))
    prepare_dataset(identity.source, identity.options, data_root, download, output, manifest, identity.to_json())
    record_downloads(identity, data_root, output)


@app.command()
def plan_shards(
    spec: SpecOption,
    output: Annotated[Path, typer.Option(help="The plan to write; what belongs to it is written beside it.")],
    data_root: Annotated[Path, typer.Option(help="Where raw data are looked for.")] = Path("data/raw"),
    threads: Annotated[int, typer.Option(help="Files that are read at a time.")] = 1,
) -> None:
    """List a data set's encoded images, and which shard each belongs to."""
    from phasebench.common.files import write_text
    from phasebench.data.shards.plan import plan_shards
    from phasebench.data.shards.registry import list_images
    from phasebench.provenance.stage_code import check_code, dataset_code, own_source, shard_code
    from phasebench.specs.paths import PLANNED_FROM
    from phasebench.specs.stage import DatasetIdentity, read_identity

    identity, tree = read_identity(DatasetIdentity, spec), own_source()
    check_code(str(spec), identity.code, dataset_code(tree, identity.source, identity.options))
    images = list_images(identity.source, identity.options, data_root, output.parent)
    plan_shards(
        images,
        identity.source,
        output.parent,
        code=shard_code(tree),
        environment=identity.environment,
        threads=threads,
    )
    write_text(output.parent / PLANNED_FROM, identity.to_json())


@app.command()
def write_shard(
    listing: Annotated[Path, typer.Option(help="What the shard is to hold, written by plan-shards.")],
    locations: Annotated[Path, typer.Option(help="Where its images lie, written by plan-shards.")],
    output: OutputOption,
) -> None:
    """Write one shard of encoded images, leaving out damaged ones."""
    from phasebench.data.shards.index import write_shard
    from phasebench.data.shards.plan import read_listing
    from phasebench.provenance.stage_code import check_code, own_source, shard_code

    check_code(str(listing), read_listing(listing).code, shard_code(own_source()))
    content = write_shard(listing, locations, output)
    for key, reason in content.damaged.items():
        _LOGGER.warning("%s: left out: %s", key, reason)
    _LOGGER.info("%s: %d images, %d damaged ones left out", output, len(content.images), len(content.damaged))


@app.command()
def gather_shards(
    plan: Annotated[Path, typer.Option(help="The plan, written by plan-shards.")],
    shards: Annotated[Path, typer.Option(help="The folder of the shards.")],
    output: OutputOption,
    manifest: Annotated[Path, typer.Option(help="The small file that identifies the data set's content.")],
) -> None:
    """Write the index of a data set's shards and its manifest."""
    from phasebench.data.shards.index import gather_shards
    from phasebench.data.shards.plan import read_plan

    gather_shards(read_plan(plan), shards, output, manifest)


@app.command()
def train(
    spec: SpecOption,
    data: DataOption,
    output: OutputOption,
    checkpoint: Annotated[Path, typer.Option(help="Where the unfinished run is kept; it is resumed from there.")],
    manifest: Annotated[
        Path | None, typer.Option(help="The data set's manifest, whose checksum run.json keeps.")
    ] = None,
    device: DeviceOption = "auto",
    checkpoint_seconds: Annotated[float, typer.Option(help="Time between two checkpoints.")] = 60.0,
    lock_wait: Annotated[float, typer.Option(help="Seconds to wait for another process that trains this run.")] = 60.0,
) -> None:
    """Train one run, or go on with it."""
    from phasebench.provenance.record import collect_provenance, describe_data
    from phasebench.provenance.stage_code import check_code, own_source, run_code
    from phasebench.specs.run import RunIdentity
    from phasebench.specs.stage import read_identity
    from phasebench.training.launcher import launch_run
    from phasebench.training.run_lock import run_lock

    identity = read_identity(RunIdentity, spec)
    with run_lock(output, lock_wait):
        check_code(str(spec), identity.code, run_code(own_source(), identity.run))
        launch_run(
            identity,
            device,
            data_path=data,
            output=output,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            provenance={**describe_data(manifest), **collect_provenance()},
        )


@app.command()
def evaluate(
    specs: Annotated[list[Path], typer.Argument(help="Spec files of all evaluations of the run.")],
    data: DataOption,
    run: Annotated[Path, typer.Option(help="The folder of the trained run, where the results go.")],
    device: DeviceOption = "auto",
) -> None:
    """Evaluate one trained run: compute the evaluations that are missing or stale, keep the others, index all."""
    from phasebench.common.files import write_text
    from phasebench.provenance.evaluations import remove_other_evaluations, stale_evaluations
    from phasebench.provenance.record import ORIGIN, origin
    from phasebench.provenance.stage_code import check_code, evaluation_code, own_source
    from phasebench.specs.evaluated import EVALUATED, index_evaluations
    from phasebench.specs.run_folder import RECORD
    from phasebench.specs.stage import StageIdentity, read_identity

    tree, origins, samples = own_source(), {}, {}
    for spec in specs:
        identity = read_identity(StageIdentity, spec)
        name = str(identity.settings["evaluation"])
        check_code(str(spec), identity.code, evaluation_code(tree, name))
        origins[name] = origin(spec, [run / RECORD])
        if "samples" in identity.settings:
            samples[name] = int(identity.settings["samples"])
    for name in remove_other_evaluations(run, origins):
        _LOGGER.info("%s: removed, as it is no longer asked for", name)
    stale = stale_evaluations(run, origins)
    for name in sorted(origins.keys() - set(stale)):
        _LOGGER.info("%s: kept, as it is current", name)
    if stale:
        from phasebench.evaluation.run import evaluate_run

        attributes = {name: {ORIGIN: origins[name]} for name in stale}
        evaluate_run(attributes, data, run, samples=samples, device=device)
    write_text(run / EVALUATED, index_evaluations(run, origins).to_json())


@app.command()
def check_networks() -> None:
    """Check external networks, those of a list of run specs on standard input: build each, and compute a gradient."""
    from pydantic import TypeAdapter

    from phasebench.specs.run import RunSpec
    from phasebench.training.network_check import check_network

    for spec in TypeAdapter(list[RunSpec]).validate_json(sys.stdin.read()):
        check_network(spec)


@app.command()
def overhead(spec: SpecOption, output: OutputOption, device: DeviceOption = "auto") -> None:
    """Time training steps of networks beside those of their baselines."""
    from phasebench.provenance.record import ORIGIN, origin
    from phasebench.provenance.seals import seal
    from phasebench.provenance.stage_code import check_code, overhead_code, own_source
    from phasebench.specs.stage import StageIdentity, read_identity
    from phasebench.training.overhead import measure_overheads

    identity = read_identity(StageIdentity, spec)
    networks = identity.settings["networks"]
    models = [name for network in networks for name in (network["model"], network["baseline"]["model"])]
    check_code(str(spec), identity.code, overhead_code(own_source(), models))
    measure_overheads(networks, output, device=device, attributes={ORIGIN: origin(spec, [])})
    seal([output])


@app.command()
def baselines(
    spec: SpecOption,
    prepared: Annotated[Path, typer.Option(help="The folder of the prepared data sets and their manifests.")],
    output: OutputOption,
) -> None:
    """Measure the baselines of a study: chance, the majority class and the linear classifier."""
    from phasebench.evaluation.baselines import measure_baselines
    from phasebench.provenance.record import ORIGIN, origin
    from phasebench.provenance.seals import seal
    from phasebench.provenance.stage_code import baselines_code, check_code, own_source
    from phasebench.specs.paths import Prepared
    from phasebench.specs.stage import StageIdentity, datasets_of, read_identity

    identity = read_identity(StageIdentity, spec)
    inputs = identity.settings["inputs"]
    check_code(str(spec), identity.code, baselines_code(own_source(), inputs))
    manifests = [Prepared(prepared).manifest(dataset) for dataset in datasets_of(inputs)]
    measure_baselines(inputs, prepared, output, attributes={ORIGIN: origin(spec, manifests)})
    seal([output])


@app.command()
def properties(spec: SpecOption, output: OutputOption) -> None:
    """Measure the laws of a study's layers and the properties of its networks without training."""
    from phasebench.properties.run import measure_properties
    from phasebench.provenance.record import ORIGIN, origin
    from phasebench.provenance.seals import seal
    from phasebench.provenance.stage_code import check_code, own_source, properties_code
    from phasebench.specs.stage import StageIdentity, read_identity

    identity = read_identity(StageIdentity, spec)
    suite, laws, networks = (identity.settings[key] for key in ("suite", "laws", "networks"))
    check_code(str(spec), identity.code, properties_code(own_source(), laws, networks))
    measure_properties(suite, laws, networks, output, attributes={ORIGIN: origin(spec, [])})
    seal([output])


@app.command()
def analyse(
    spec: SpecOption,
    results: ResultsOption,
    prepared: Annotated[Path, typer.Option(help="The folder of the prepared data sets' manifests.")],
    output: OutputOption,
) -> None:
    """Analyse all runs of an experiment together."""
    from phasebench.analysis.run import analyse_runs
    from phasebench.provenance.record import ORIGIN, origin
    from phasebench.provenance.seals import seal
    from phasebench.provenance.stage_code import analysis_code, check_code, own_source
    from phasebench.specs.paths import Results
    from phasebench.specs.run_folder import RECORD
    from phasebench.specs.stage import StageIdentity, read_identity

    identity = read_identity(StageIdentity, spec)
    settings = identity.settings
    check_code(str(spec), identity.code, analysis_code(own_source(), settings["analysis"]))
    runs, published = settings["runs"], settings["published"]
    attributes = {ORIGIN: origin(spec, [Results(results).run(run_id) / RECORD for run_id in runs])}
    analyse_runs(settings["analysis"], runs, published, results, prepared, output, attributes)
    seal([output])


@app.command()
def aggregate(
    spec: SpecOption,
    results: ResultsOption,
    output: OutputOption,
) -> None:
    """Collect all runs of a scale into tidy Parquet tables."""
    from phasebench.provenance.seals import seal
    from phasebench.specs.stage import StageIdentity, read_identity
    from phasebench.tables.aggregate import aggregate_results

    aggregate_results(read_identity(StageIdentity, spec), results, output)
    seal(sorted(output.glob("*.parquet")))


@app.command()
def report(
    spec: SpecOption,
    tables: Annotated[Path, typer.Option(help="The folder of the Parquet tables.")],
    output: OutputOption,
    logs: Annotated[Path, typer.Option(help="The folder of the logs, for links to them.")],
    processes: Annotated[int, typer.Option(help="Processes that draw the figures.", min=1)] = 1,
) -> None:
    """Write the HTML page, its figures and its tables."""
    from phasebench.reporting.page.build import build_report
    from phasebench.specs.stage import StageIdentity, read_identity

    read_identity(StageIdentity, spec)
    build_report(tables, output, logs, processes=processes)


@app.command()
def preview(
    scale: ScaleOption = None,
    configfile: ConfigFileOption = None,
    config: ConfigOption = None,
    output: Annotated[Path, typer.Option(help="Folder of the page, preview.html.")] = Path("reports"),
) -> None:
    """Write reports/preview.html of all that is finished and current, also while jobs run or after some failed.

    What is finished and current is judged by the spec files that Snakemake wrote at its last start, dry runs included.
    """
    from phasebench.reporting.page.build import build_report
    from phasebench.specs.paths import logs_of, prepared_of, results_of
    from phasebench.specs.stage import StageIdentity, read_identity
    from phasebench.tables.aggregate import aggregate_results
    from phasebench.tables.unfinished import Unfinished, progress_lines

    # A page after a failure is for its own scale, whatever the folder's config.yaml is for.
    if scale is None or configfile or config:
        scale = chosen_settings(configfile, config, scale).config().scale
    results, logs = results_of(scale), logs_of(scale)
    spec = read_identity(StageIdentity, results.spec("aggregate"))
    gaps = aggregate_results(spec, results.folder, results.preview, Unfinished(results, logs, prepared_of(scale)))
    build_report(results.preview, output, logs.folder, page="preview.html", beside="preview/")
    print("\n".join([*progress_lines(gaps, len(spec.settings["runs"])), str(output / "preview.html")]))


@app.command()
def schemas(
    output: Annotated[Path | None, typer.Option(help="Where they go; to those of the repository if not given.")] = None,
) -> None:
    """Write the JSON schemas of the configuration files."""
    from phasebench.cli.schemas import write_schemas
    from phasebench.specs.paths import SCHEMAS_FOLDER

    write_schemas(output or Path(SCHEMAS_FOLDER))


def main() -> None:
    """Run a command; a mistake of the user ends in one line and status 1, a requested stop in status 75."""
    show_messages()
    try:
        app(list(one_value_each(sys.argv[1:])))
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
