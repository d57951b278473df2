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
