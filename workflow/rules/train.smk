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


rule overhead:
    input:
        spec="<results>/specs/overheads/{overhead}.json",
    output:
        "<results>/overheads/{overhead}.parquet",
    log:
        "<logs>/overhead/{overhead}.log",
    benchmark:
        "<benchmarks>/overhead/{overhead}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: overhead_resource("threads")
    resources:
        gpu=overhead_resource("gpu"),
        runtime=60,
        mem_mb=overhead_resource("mem_mb"),
    params:
        device=this_machine("device"),
    message:
        "Time the networks of {wildcards.overhead}"
    shell:
        "python -m phasebench overhead --spec {input.spec} --output {output} --device {params.device}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"


rule baselines:
    input:
        spec="<results>/specs/baselines/{study}.json",
        data=ancient(baseline_files(".h5")),
        manifests=baseline_files(".json"),
    output:
        "<results>/baselines/{study}.parquet",
    log:
        "<logs>/baselines/{study}.log",
    benchmark:
        "<benchmarks>/baselines/{study}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=480,
        mem_mb=8000,
    params:
        prepared=manifests_folder,
    message:
        "Measure the baselines of {wildcards.study}"
    shell:
        "python -m phasebench baselines --spec {input.spec} --prepared {params.prepared} --output {output}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
