rule gather_shards:
    input:
        plan="<prepared>/{dataset}/plan.json",
        shards=planned_shards("<prepared>/{dataset}/shards/{shard}.h5"),
    output:
        data="<prepared>/{dataset}.h5",
        manifest="<prepared>/{dataset}.json",
    log:
        "<logs>/gather_shards/{dataset}.log",
    benchmark:
        "<benchmarks>/gather_shards/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(True)),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=60,
        mem_mb=4000,
    params:
        shards=lambda wildcards, input: f"{Path(input.plan).parent}/shards",
    message:
        "Gather the shards of {wildcards.dataset}"
    shell:
        "python -m phasebench gather-shards --plan {input.plan} --shards {params.shards}"
        " --output {output.data} --manifest {output.manifest}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
