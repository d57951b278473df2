from snakemake.utils import min_version

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
