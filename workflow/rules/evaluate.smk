rule evaluate:
    input:
        spec="<results>/specs/evaluations/{evaluation}.json",
        data=ancient(prepared_file(".h5")),
        record="<results>/runs/{run}/run.json",
        weights="<results>/runs/{run}/weights.safetensors",
    output:
        "<results>/runs/{run}/evaluation/{evaluation}.parquet",
    log:
        "<logs>/evaluate/{run}/{evaluation}.log",
    benchmark:
        "<benchmarks>/evaluate/{run}/{evaluation}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: train_resource("threads")
    resources:
        gpu=lambda wildcards: min(1, plan.resources_of(wildcards.run).gpu),
        runtime=30,
        mem_mb=train_resource("mem_mb"),
    params:
        folder=subpath(input.record, parent=True),
        device=this_machine("device"),
    message:
        "Evaluate the {wildcards.evaluation} of {wildcards.run}"
    shell:
        "python -m phasebench evaluate --spec {input.spec} --data {input.data} --run {params.folder}"
        " --output {output} --device {params.device}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
