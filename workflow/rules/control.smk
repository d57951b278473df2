rule control:
    input:
        spec="<results>/specs/controls/{control}.json",
        data=ancient(control_files(".h5")),
        manifests=control_files(".json"),
    output:
        "<results>/controls/{control}.parquet",
    log:
        "<logs>/control/{control}.log",
    benchmark:
        "<benchmarks>/control/{control}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=480,
        mem_mb=8000,
    params:
        prepared=manifests_folder,
    message:
        "Measure the controls of {wildcards.control}"
    shell:
        "python -m phasebench control --spec {input.spec} --prepared {params.prepared} --output {output}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
