rule write_shard:
    input:
        listing=listed,
    output:
        "<prepared>/{dataset}/shards/{shard}.h5",
    log:
        "<logs>/write_shard/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/write_shard/{dataset}/{shard}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(True)),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=60,
        mem_mb=3000,
    params:
        locations=lambda wildcards, input: str(
            Path(input.listing).parents[1] / f"locations/{wildcards.shard}.json"
        ),
    message:
        "Write the shard {wildcards.shard} of {wildcards.dataset}"
    shell:
        "python -m phasebench write-shard --listing {input.listing} --locations {params.locations}"
        " --output {output}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
