rule analyse:
    input:
        spec=results.spec("analyses", "{analysis}"),
        manifests=analysed_manifests,
        records=analysed_runs("record"),
        history=analysed_runs("history"),
        predictions=analysed_runs("predictions"),
    output:
        results.analysis("{analysis}"),
    log:
        logs.log("analyse", "{analysis}"),
    benchmark:
        results.benchmark("analyse", "{analysis}")
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        results=results_folder,
        prepared=manifests_folder,
    message:
        "Analyse {wildcards.analysis}"
    shell:
        logged(
            "analyse --spec {input.spec} --results {params.results}"
            " --prepared {params.prepared} --output {output}"
        )


rule aggregate:
    input:
        **measured,
        spec=results.spec("aggregate"),
        records=collect(run_files["record"], run=plan.runs),
        history=collect(run_files["history"], run=plan.runs),
        probes=collect(run_files["probes"], run=plan.runs),
    output:
        analyses=results.table("analyses"),
        benchmark=results.table("benchmark"),
        claims=results.table("claims"),
        experiments=results.table("experiments"),
        history=results.table("history"),
        left_out=results.table("left_out"),
        measured_items=results.table("items"),
        metrics=results.table("metrics"),
        models=results.table("models"),
        measured_properties=results.table("properties"),
        published=results.table("published"),
        runs=results.table("runs"),
        unfinished=results.table("unfinished"),
    log:
        logs.log("aggregate"),
    benchmark:
        results.benchmark("aggregate")
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        results=results_folder,
        folder=subpath(output.runs, parent=True),
    message:
        "Collect the results of all runs"
    shell:
        logged(
            "aggregate --spec {input.spec} --results {params.results} --output {params.folder}"
        )


rule report:
    input:
        **dict(rules.aggregate.output.items()),
        spec=results.spec("report"),
    output:
        page=report(
            "<reports>/benchmark.html",
            caption="../report/benchmark.rst",
            category="Benchmark",
            labels={"content": "All tables and figures", "as": "page"},
        ),
        figures=report(
            directory("<reports>/figures"),
            patterns=[
                r"{suite,\w+}-{experiment,\w+}-{figure}.svg",
                r"{suite,\w+}-{figure,cost}.svg",
            ],
            caption="../report/figure.rst",
            category=shown_study,
            subcategory=shown_experiment,
            labels=shown_labels,
        ),
        tables=report(
            directory("<reports>/tables"),
            patterns=[
                r"{suite,\w+}-{experiment,\w+}-{table}.{format,html|csv}",
                r"{suite,\w+}-{table,claims|cost}.{format,html|csv}",
                r"{table,runs|settings|environments}.{format,html|csv}",
            ],
            caption="../report/table.rst",
            category=shown_study,
            subcategory=shown_experiment,
            labels=shown_labels,
        ),
    log:
        logs.log("report"),
    benchmark:
        results.benchmark("report")
    conda:
        "../../envs/analysis.yaml"
    threads: 2
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
        logged(
            "report --spec {input.spec} --tables {params.tables} --output {params.folder}"
            " --logs {params.logs} --processes {threads}"
        )


# Without an output, so that it runs whenever it is asked for; of what is there, and nothing is waited for.
rule preview:
    input:
        spec=results.spec("aggregate"),
    log:
        logs.log("preview"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    params:
        scale=plan.scale.name,
    message:
        "Write a preview of what is finished"
    shell:
        logged("preview --scale {params.scale}")
