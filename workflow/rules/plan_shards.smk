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
