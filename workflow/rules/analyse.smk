rule analyse:
    input:
        spec="<results>/specs/analyses/{analysis}.json",
        manifests=analysed_manifests,
        records=analysed_runs("run.json"),
        history=analysed_runs("history.parquet"),
        predictions=analysed_runs("predictions.parquet"),
    output:
        "<results>/analyses/{analysis}.parquet",
    log:
        "<logs>/analyse/{analysis}.log",
    benchmark:
        "<benchmarks>/analyse/{analysis}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        results=subpath(input.spec, ancestor=5),
        prepared=manifests_folder,
    message:
        "Analyse {wildcards.analysis}"
    shell:
        "python -m phasebench analyse --spec {input.spec} --results {params.results}"
        " --prepared {params.prepared} --output {output}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
