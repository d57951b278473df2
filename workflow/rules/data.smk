rule prepare:
    input:
        spec="<results>/specs/datasets/{dataset}.json",
    output:
        data="<prepared>/{dataset}.h5",
        manifest="<prepared>/{dataset}.json",
    log:
        "<logs>/prepare/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare/{dataset}.tsv"
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
        "python -m phasebench prepare --spec {input.spec} --data-root {params.data_root:q} {params.download}"
        " --output {output.data} --manifest {output.manifest}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"


checkpoint plan_shards:
    input:
        spec="<results>/specs/datasets/{dataset}.json",
    output:
        "<prepared>/{dataset}/plan.json",
    log:
        "<logs>/plan_shards/{dataset}.log",
    benchmark:
        "<benchmarks>/plan_shards/{dataset}.tsv"
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
        "python -m phasebench plan-shards --spec {input.spec} --data-root {params.data_root:q}"
        " --output {output} --threads {threads}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"


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
