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
        baselines=collect("<results>/baselines/{study}.parquet", study=plan.baselines),
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


rule report:
    input:
        **dict(rules.aggregate.output.items()),
        spec="<results>/specs/report.json",
    output:
        page=report(
            "<reports>/benchmark.html",
            caption="../report/benchmark.rst",
            category="Benchmark",
            labels={"content": "All tables and figures", "as": "page"},
        ),
        figures=report(
            directory("<reports>/figures"),
            patterns=[r"{suite,\w+}-{experiment,\w+}-{figure}.svg"],
            caption="../report/figure.rst",
            category=shown_study,
            subcategory=shown_experiment,
            labels=shown_labels,
        ),
        tables=report(
            directory("<reports>/tables"),
            patterns=[
                r"{suite,\w+}-{experiment,\w+}-{table}.{format,html|csv}",
                r"{suite,\w+}-{table,claims}.{format,html|csv}",
                r"{table,runs|settings|environments}.{format,html|csv}",
            ],
            caption="../report/table.rst",
            category=shown_study,
            subcategory=shown_experiment,
            labels=shown_labels,
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        tables=subpath(input.runs, parent=True),
        folder=subpath(output.page, parent=True),
        logs=logs_folder,
    message:
        "Write the report"
    shell:
        "python -m phasebench report --spec {input.spec} --tables {params.tables} --output {params.folder}"
        " --logs {params.logs}"
        " > {log} 2>&1 || (status=$?; tail -n 1 {log} >&2; exit $status)"
