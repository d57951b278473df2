rule aggregate:
    input:
        spec="<results>/specs/aggregate.json",
        records=collect("<results>/runs/{run}/run.json", run=plan.runs),
        history=collect("<results>/runs/{run}/history.parquet", run=plan.runs),
        probes=collect("<results>/runs/{run}/probes.parquet", run=plan.runs),
        evaluations=[
            f"<results>/runs/{run}/evaluation/{name}.parquet"
            for run, name in plan.evaluations
        ],
        analyses=collect(
            "<results>/analyses/{analysis}.parquet", analysis=plan.analyses
        ),
        overheads=collect(
            "<results>/overheads/{overhead}.parquet", overhead=plan.overheads
        ),
        controls=collect("<results>/controls/{control}.parquet", control=plan.controls),
    output:
        analyses="<results>/tables/analyses.parquet",
        benchmark="<results>/tables/benchmark.parquet",
        claims="<results>/tables/claims.parquet",
        experiments="<results>/tables/experiments.parquet",
        history="<results>/tables/history.parquet",
        measured_items="<results>/tables/items.parquet",
        metrics="<results>/tables/metrics.parquet",
        models="<results>/tables/models.parquet",
        published="<results>/tables/published.parquet",
        runs="<results>/tables/runs.parquet",
    log:
        "<logs>/aggregate.log",
    benchmark:
        "<benchmarks>/aggregate.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        results=subpath(input.spec, ancestor=2),
        folder=subpath(output.runs, parent=True),
    message:
        "Collect the results of all runs"
    shell:
        "python -m phasebench aggregate --spec {input.spec} --results {params.results} --output {params.folder}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
