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
