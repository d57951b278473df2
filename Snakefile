import time
from pathlib import Path

from snakemake.utils import min_version

started = time.time()
min_version("9.27")


# With --directory, the working folder may have one of its own.
config_file = "config.yaml"
if not Path(config_file).is_file():
    config_file = str(Path(str(workflow.current_basedir), config_file))


configfile: config_file


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        **measured,
        # As texts: of an output of a rule, Snakemake keeps the rule, and then compares all inputs with each of them.
        report=as_texts(rules.report.output),
        # Also what the page is made of: of a file that only another rule asks for, Snakemake does not miss the loss.
        tables=as_texts(rules.aggregate.output),
        runs=collect(list(run_files.values()), run=plan.runs_made_here),


# What failed, and a page of what did not; the status of Snakemake stays.
onerror:
    shell(preview_command() + " >&2 || true")


onsuccess:
    from phasebench.reporting.outcome import outcome

    if words := outcome(
        all_results().table("runs").parent,
        Path(rules.report.output.page),
        started,
        time.time(),
    ):
        logger.info(words)
