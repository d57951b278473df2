import re
import sys
from pathlib import Path
from shlex import quote

from snakemake.utils import validate

RUN = r"\w+/\w+/[\w-]+/\w+/seed\d+"
# This file's own place: that of the calling Snakefile may be another folder, which uses the workflow as a module.
ROOT = Path(str(workflow.current_basedir)).parents[1]
SOURCE = ROOT / "src"
if not (SOURCE / "phasebench").is_dir():
    sys.exit(
        f"phasebench: error: {SOURCE}/phasebench: there is no such folder; clone the whole repository,"
        " and use its Snakefile by path"
    )
sys.path.insert(0, str(SOURCE))
# Where a module with a prefix has its files.
OUTPUT = Path(workflow.modifier.modify_path("results")).parent

from phasebench.data.shards.registry import read_shard_names
from phasebench.common.errors import PhasebenchError
from phasebench.plan.missing import left_out_lines
from phasebench.plan.settings import read_settings, with_types
from phasebench.provenance.integrity import set_aside_damaged
from phasebench.provenance.timestamps import adopt_results
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.common.files import check_working_folder, sha256_of_file
from phasebench.specs.paths import Logs, Prepared, Results
from phasebench.specs.paths import RESULTS_FOLDER, logs_of, prepared_of, results_of
from phasebench.specs.run_folder import RUN_FILES
from phasebench.reporting.labels import DisplayNames


def all_results():
    """The results of the scale, as Python finds them; rules name them without a module's prefix."""
    return results_of(plan.scale.name, OUTPUT)


def all_prepared():
    """The prepared data sets of the scale, likewise."""
    return prepared_of(plan.scale.name, OUTPUT)


try:
    given = workflow.config_settings
    settings = with_types(config, given.config)
    if workflow.is_main_process:
        check_working_folder(Path())
        settings = read_settings(Path(), given.configfiles, given.config).holding(
            settings
        )
    # Jobs on other machines read the spec files that the main process wrote.
    plan = plan_benchmark(
        settings,
        ROOT,
        OUTPUT / RESULTS_FOLDER,
        write=workflow.is_main_process,
        base=Path(),
    )
    if workflow.is_main_process:
        for line in left_out_lines(plan):
            print(line, file=sys.stderr)
        adopt_results(plan, all_results(), all_prepared())
        for line in set_aside_damaged(plan, all_results()):
            print(line, file=sys.stderr)
except PhasebenchError as error:
    sys.exit(f"phasebench: error: {error}")

# On the command line every value is a text; here each has its type.
config.update(plan.config.model_dump(mode="json"))
validate(config, "../schemas/config.schema.json")

# Every rule runs this checkout's code, with Snakemake's own interpreter unless it has an environment of its own.
setup = ["set -euo pipefail", f"export PYTHONPATH={quote(str(SOURCE))}"]
if "CONDA" not in [
    method.name for method in workflow.deployment_settings.deployment_method
]:
    setup.append(f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH")
shell.prefix("; ".join([*setup, ""]))


report: "../report/workflow.rst"


pathvars:
    results=str(results_of(plan.scale.name).folder),
    prepared=str(prepared_of(plan.scale.name).folder),
    logs=str(logs_of(plan.scale.name).folder),


# Paths as the rules write them: with the folders above and, for names, wildcards.
results, prepared, logs = (
    Results(Path("<results>")),
    Prepared(Path("<prepared>")),
    Logs(Path("<logs>")),
)
run_files = {name: str(results.run("{run}") / file) for name, file in RUN_FILES.items()}
# Of all that is measured besides the runs, the files that the tables are made of.
measured = dict(
    evaluated=collect(results.evaluated("{run}"), run=plan.evaluated_runs),
    analyses=collect(results.analysis("{analysis}"), analysis=plan.analyses),
    overheads=collect(results.overhead("{overhead}"), overhead=plan.overheads),
    baselines=collect(results.baselines("{study}"), study=plan.baselines),
    properties=collect(results.properties("{study}"), study=plan.properties),
)


wildcard_constraints:
    dataset=r"\w+",
    run=RUN,
    analysis=r"\w+/\w+/\w+",
    overhead=r"\w+/\w+",
    study=r"\w+",
    shard=r"\w+-\d+",


localrules:
    all,
    aggregate,
    analyse,
    preview,
    report,


def one_of(names):
    """Wildcard constraint: one of these; nothing if there are none."""
    return "|".join(names) or r"(?!)"


def as_texts(files):
    """Paths of a rule's files without a module's prefix, which Snakemake adds to texts."""
    return [str(Path(file).relative_to(OUTPUT)) for file in files]


def made_here_constraint(plan):
    """Wildcard constraint: a run that is not imported."""
    imported = "|".join(map(re.escape, plan.imported))
    return rf"(?!(?:{imported})/){RUN}" if imported else RUN


def logged(arguments):
    """Command of phasebench with its output in the log, whose last line is shown where it fails."""
    return (
        f"python -m phasebench {arguments}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
    )


def preview_command():
    """Command that writes a page of what is finished, and names what failed."""
    command = f"{quote(sys.executable)} -m phasebench preview --scale {plan.scale.name}"
    return command if OUTPUT == Path() else f"(cd {quote(str(OUTPUT))} && {command})"


def planned_shards(wildcards):
    """Input function: the file of each shard, once it is known which there are."""
    dataset = wildcards.dataset
    plan_file = checkpoints.plan_shards.get(dataset=dataset).output[0]
    return [prepared.shard(dataset, shard) for shard in read_shard_names(plan_file)]


def listed(wildcards):
    """Input function: a shard's listing, which is written only where it changes and so is no output of a rule."""
    checkpoints.plan_shards.get(dataset=wildcards.dataset)
    return prepared.listing(wildcards.dataset, wildcards.shard)


def prepared_file(path):
    """Input function: a file of the run's prepared data set."""
    return lambda wildcards: file_of(plan.dataset_of(wildcards.run), path)


def baseline_files(path):
    """Input function: a file of each data set that the study's networks read."""
    return lambda wildcards: [
        file_of(dataset, path) for dataset in plan.baselines[wildcards.study].datasets
    ]


def file_of(dataset, path):
    """A file of a prepared data set."""
    if plan.datasets[dataset].is_sharded:
        # Asked for directly, so that Snakemake thinks again once the plan is there. A job further down would keep the
        # reason to run that it had while the plan was still to come, even if no shard changes.
        checkpoints.plan_shards.get(dataset=dataset)
    return path(dataset)


def evaluation_specs(wildcards):
    """Input function: the spec file of each evaluation of the run."""
    return [
        results.spec("evaluations", key)
        for key in plan.runs[wildcards.run].evaluation_specs.values()
    ]


def evaluation_minutes(wildcards):
    """Resource function: one job has all evaluations of the run."""
    return 30 * len(plan.runs[wildcards.run].evaluations)


def analysed_runs(name):
    """Input function: a file of each run of the analysis."""
    return lambda wildcards: collect(
        run_files[name], run=plan.analyses[wildcards.analysis].runs
    )


def analysed_manifests(wildcards):
    """Input function: the manifest of each data set of the analysis that is prepared here."""
    runs = plan.analyses[wildcards.analysis].runs
    datasets = dict.fromkeys(plan.dataset_of(run) for run in runs)
    # An imported run brings its own along.
    return [prepared.manifest(name) for name in datasets if name in plan.datasets]


def train_resource(name):
    """Resource function: what the run's suite and the scale say."""
    return lambda wildcards: getattr(plan.resources_of(wildcards.run), name)


def overhead_resource(name):
    """Resource function: what the experiment's networks are trained with."""
    return lambda wildcards: getattr(plan.overheads[wildcards.overhead].resources, name)


# A params function that takes `input` is no reason to run a job again. These say how a result is made, not which.


def this_machine(key):
    """Params function: a setting of config.yaml about this machine."""
    return lambda wildcards, input: config[key]


def download_flag(wildcards, input):
    return "--download" if config["download"] else "--no-download"


def manifests_folder(wildcards, input):
    return str(all_prepared().folder)


def results_folder(wildcards, input):
    return str(all_results().folder)


def logs_folder(wildcards, input):
    return str(logs_of(plan.scale.name, OUTPUT).folder)


def shards_folder(wildcards, input):
    return str(all_prepared().shards(wildcards.dataset))


def locations(wildcards, input):
    return str(all_prepared().locations(wildcards.dataset, wildcards.shard))


def checkpoint_path(wildcards, input):
    """A changed spec begins anew, an unchanged one goes on."""
    return str(all_results().checkpoint(sha256_of_file(input.spec)))


# Where `snakemake --report` shows a table or figure: what the name of its file says.


display_name = DisplayNames(plan.display_names)


def shown_study(wildcards):
    """Category: the study; the runs belong to all of them."""
    return display_name(wildcards.get("suite", "runs"))


def shown_experiment(wildcards):
    """Subcategory: the experiment; claims and costs are a whole study's."""
    whole = wildcards.get("table") or wildcards.get("figure")
    return display_name(wildcards.get("experiment", whole))


def shown_labels(wildcards):
    """Labels: which table or figure, and in what form; tables are there for reading and for reading in."""
    name = wildcards.get("figure") or wildcards.get("table")
    form = {"html": "table", "csv": "CSV"}.get(wildcards.get("format"), "figure")
    return {"content": display_name(name.replace("-", "_")), "as": form}
