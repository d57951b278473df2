rule prepare:
    input:
        spec=results.spec("datasets", "{dataset}"),
    output:
        data=prepared.data("{dataset}"),
        manifest=prepared.manifest("{dataset}"),
    log:
        logs.log("prepare", "{dataset}"),
    benchmark:
        results.benchmark("prepare", "{dataset}")
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(False)),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=120,
        mem_mb=8000,
    params:
        data_root=this_machine("data_root"),
        download=download_flag,
    message:
        "Prepare {wildcards.dataset}"
    shell:
        logged(
            "prepare --spec {input.spec} --data-root {params.data_root:q} {params.download}"
            " --output {output.data} --manifest {output.manifest}"
        )


checkpoint plan_shards:
    input:
        spec=results.spec("datasets", "{dataset}"),
    output:
        prepared.shard_plan("{dataset}"),
    log:
        logs.log("plan_shards", "{dataset}"),
    benchmark:
        results.benchmark("plan_shards", "{dataset}")
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(True)),
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        runtime=240,
        mem_mb=8000,
    params:
        data_root=this_machine("data_root"),
    message:
        "Plan the shards of {wildcards.dataset}"
    shell:
        logged(
            "plan-shards --spec {input.spec} --data-root {params.data_root:q}"
            " --output {output} --threads {threads}"
        )


rule write_shard:
    input:
        listing=listed,
    output:
        prepared.shard("{dataset}", "{shard}"),
    log:
        logs.log("write_shard", "{dataset}/{shard}"),
    benchmark:
        results.benchmark("write_shard", "{dataset}/{shard}")
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(True)),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=60,
        mem_mb=3000,
    params:
        locations=locations,
    message:
        "Write the shard {wildcards.shard} of {wildcards.dataset}"
    shell:
        logged(
            "write-shard --listing {input.listing} --locations {params.locations}"
            " --output {output}"
        )


rule gather_shards:
    input:
        plan=prepared.shard_plan("{dataset}"),
        shards=planned_shards,
    output:
        data=prepared.data("{dataset}"),
        manifest=prepared.manifest("{dataset}"),
    log:
        logs.log("gather_shards", "{dataset}"),
    benchmark:
        results.benchmark("gather_shards", "{dataset}")
    wildcard_constraints:
        dataset=one_of(plan.datasets_in_shards(True)),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=60,
        mem_mb=4000,
    params:
        shards=shards_folder,
    message:
        "Gather the shards of {wildcards.dataset}"
    shell:
        logged(
            "gather-shards --plan {input.plan} --shards {params.shards}"
            " --output {output.data} --manifest {output.manifest}"
        )
