# An imported run has no job here: its files are like those that a person put there.
made_here = made_here_constraint(plan)


rule train:
    input:
        spec=results.spec("runs", "{run}"),
        data=ancient(prepared_file(prepared.data)),
        manifest=prepared_file(prepared.manifest),
    output:
        **run_files,
    log:
        logs.log("train", "{run}"),
    benchmark:
        results.benchmark("train", "{run}")
    wildcard_constraints:
        run=made_here,
    conda:
        "../../envs/train.yaml"
    threads: train_resource("threads")
    resources:
        gpu=train_resource("gpu"),
        runtime=train_resource("runtime"),
        mem_mb=train_resource("mem_mb"),
        gpu_share=train_resource("gpu_share"),
    params:
        folder=subpath(output.record, parent=True),
        checkpoint=checkpoint_path,
        device=this_machine("device"),
    message:
        "Train {wildcards.run}"
    shell:
        logged(
            "train --spec {input.spec} --data {input.data} --manifest {input.manifest}"
            " --output {params.folder} --checkpoint {params.checkpoint} --device {params.device}"
        )


rule evaluate:
    input:
        specs=evaluation_specs,
        data=ancient(prepared_file(prepared.data)),
        record=run_files["record"],
        weights=run_files["weights"],
    output:
        results.evaluated("{run}"),
    log:
        logs.log("evaluate", "{run}"),
    benchmark:
        results.benchmark("evaluate", "{run}")
    wildcard_constraints:
        run=made_here,
    conda:
        "../../envs/train.yaml"
    threads: train_resource("threads")
    resources:
        gpu=lambda wildcards: min(1, plan.resources_of(wildcards.run).gpu),
        runtime=evaluation_minutes,
        mem_mb=train_resource("mem_mb"),
        gpu_share=train_resource("gpu_share"),
    params:
        folder=subpath(input.record, parent=True),
        device=this_machine("device"),
    message:
        "Evaluate {wildcards.run}"
    shell:
        logged(
            "evaluate {input.specs} --data {input.data} --run {params.folder}"
            " --device {params.device}"
        )


rule overhead:
    input:
        spec=results.spec("overheads", "{overhead}"),
    output:
        results.overhead("{overhead}"),
    log:
        logs.log("overhead", "{overhead}"),
    benchmark:
        results.benchmark("overhead", "{overhead}")
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
        logged(
            "overhead --spec {input.spec} --output {output} --device {params.device}"
        )


rule baselines:
    input:
        spec=results.spec("baselines", "{study}"),
        data=ancient(baseline_files(prepared.data)),
        manifests=baseline_files(prepared.manifest),
    output:
        results.baselines("{study}"),
    log:
        logs.log("baselines", "{study}"),
    benchmark:
        results.benchmark("baselines", "{study}")
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
        logged(
            "baselines --spec {input.spec} --prepared {params.prepared} --output {output}"
        )


rule properties:
    input:
        spec=results.spec("properties", "{study}"),
    output:
        results.properties("{study}"),
    log:
        logs.log("properties", "{study}"),
    benchmark:
        results.benchmark("properties", "{study}")
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    message:
        "Measure the properties of {wildcards.study}"
    shell:
        logged("properties --spec {input.spec} --output {output}")
