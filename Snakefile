import time

from snakemake.utils import min_version

started = time.time()
min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"


rule all:
    input:
        **measured,
        page="<reports>/benchmark.html",
        # Also what the page is made of: of a file that only another rule asks for, Snakemake does not miss the loss.
        runs=collect(list(run_files.values()), run=plan.runs),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"


onsuccess:
    from phasebench.reporting.outcome import outcome

    if words := outcome(
        results_of(plan.scale.name).table("runs").parent,
        Path(rules.report.output.page),
        started,
        time.time(),
    ):
        logger.info(words)
