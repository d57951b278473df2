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
