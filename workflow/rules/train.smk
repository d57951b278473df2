rule train:
    input:
        spec="<results>/specs/runs/{run}.json",
        data=ancient(prepared_file(".h5")),
        manifest=prepared_file(".json"),
    output:
        spec="<results>/runs/{run}/spec.json",
        history="<results>/runs/{run}/history.parquet",
        probes="<results>/runs/{run}/probes.parquet",
        weights="<results>/runs/{run}/weights.safetensors",
        predictions="<results>/runs/{run}/predictions.parquet",
        record="<results>/runs/{run}/run.json",
    log:
        "<logs>/train/{run}.log",
    benchmark:
        "<benchmarks>/train/{run}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: train_resource("threads")
    resources:
        gpu=train_resource("gpu"),
        runtime=train_resource("runtime"),
        mem_mb=train_resource("mem_mb"),
    params:
        folder=subpath(output.record, parent=True),
        checkpoint=checkpoint_path,
        device=this_machine("device"),
    message:
        "Train {wildcards.run}"
    shell:
        "python -m phasebench train --spec {input.spec} --data {input.data} --manifest {input.manifest}"
        " --output {params.folder} --checkpoint {params.checkpoint} --device {params.device}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
