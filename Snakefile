from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"


rule all:
    input:
        "<reports>/benchmark.html",


include: "workflow/rules/prepare.smk"
include: "workflow/rules/plan_shards.smk"
include: "workflow/rules/write_shard.smk"
include: "workflow/rules/gather_shards.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/overhead.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/report.smk"
