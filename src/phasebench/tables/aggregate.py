"""Aggregation of all results into the tidy tables that the report is made of."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.claims.model import StudyClaims
from phasebench.claims.verdicts import judge_claims
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_table, sha256_of_file, sha256_of_text, write_table
from phasebench.specs.evaluated import Evaluated, read_evaluation, read_index
from phasebench.specs.paths import Results
from phasebench.specs.run import COORDINATES, rounded
from phasebench.specs.run_folder import (
    HISTORY,
    PROBES,
    REMEDY,
    SPEC,
    read_record,
    read_run_table,
)
from phasebench.specs.stage import StageIdentity
from phasebench.specs.value_tables import COLUMN_TYPES
from phasebench.tables.schema import (
    COLUMNS,
    CURVES,
    HISTORY_COORDINATES,
    PUBLISHED_COORDINATES,
    RECORDED,
    check_columns,
)

# Columns of the history whose names begin so are metrics, with the step as condition.
_MEASURED_IN_TRAINING = ("accuracy_", "deviation_")
_PUBLISHED_KEYS = (*PUBLISHED_COORDINATES, "metric", "condition")
_ANALYSE_AGAIN = "delete it and run snakemake again"
# A setting that a run's other columns do not say stands in the column `settings`.
_NOT_SETTINGS = frozenset((*COORDINATES, "schema_version", "scale", "recipe"))


def aggregate_results(spec: StageIdentity, results: Path, output: Path) -> None:
    """Write the tables that the report is made of as Parquet.

    ``metrics`` has what was measured on a run as a whole, ``items`` what was measured on its parts (an image, a pair of
    filters, a module of the network while it trained), ``analyses`` what was computed from several runs, what was
    timed and the baselines, ``claims`` what the studies claim with a verdict; beside
    these are ``history``, ``runs``, ``published``, ``benchmark``, ``experiments`` and
    ``models``.

    The published number stands beside each measured one, also where another data set stands in for the study's.

    Parameters
    ----------
    spec : StageIdentity
        What to collect: run ids with their evaluations, analyses, models, published numbers, claims, scale.
    results : Path
        ``results/<scale>``: the runs' folders below ``runs``, their current spec files below ``specs/runs``.
    output : Path
        Folder of the tables.

    Raises
    ------
    PhasebenchError
        A file of a run is missing or damaged, or belongs to another spec than the current one.
    """
    settings, found = spec.settings, Results(results)
    published = pd.DataFrame(settings["published"], columns=list(COLUMNS["published"]))
    models = pd.DataFrame([{"model": name, **entry} for name, entry in settings["models"].items()])
    records = {run_id: _read_current_record(found, run_id) for run_id in settings["runs"]}
    recorded = {run_id: _read_history(found.run(run_id)) for run_id in records}
    evaluations = [
        _read_evaluations(found.run(run_id), run_id, records[run_id], recorded[run_id], names)
        for run_id, names in settings["runs"].items()
    ]
    history = [_history_table(run_id, records[run_id], table) for run_id, table in recorded.items()]
    tables = {
        "runs": _runs_table(records, models),
        "metrics": _with_published(pd.concat([whole for whole, _ in evaluations], ignore_index=True), published),
        "items": pd.concat([parts for _, parts in evaluations], ignore_index=True),
        "analyses": _read_analyses(
            {found.analysis(name): keys for name, keys in settings["analyses"].items()}
            | {found.overhead(name): keys for name, keys in settings["overheads"].items()}
            | {found.baselines(name): keys for name, keys in settings["baselines"].items()}
        ),
        "history": pd.concat(history, ignore_index=True),
        "published": published,
        "models": models,
        "experiments": pd.DataFrame(
            [
                {**experiment, **{name: _json(experiment[name]) for name in ("answers", "reported")}}
                for experiment in settings["experiments"]
            ],
            columns=list(COLUMNS["experiments"]),
        ),
        "benchmark": pd.DataFrame(
            {
                "scale": [settings["scale"]],
                "label": [settings["label"]],
                "description": [settings["description"]],
                "suites": [", ".join(settings["suites"])],
                "studies": [_json(settings["studies"])],
                "display_names": [_json(settings["display_names"])],
                "config_digest": [sha256_of_text(spec.to_json())],
            }
        ),
    }
    studies = [StudyClaims.model_validate(study) for study in settings["claims"]]
    tables["claims"] = judge_claims(
        studies,
        pd.concat([tables["metrics"], tables["items"]], ignore_index=True),
        tables["analyses"],
        tables["runs"],
        published,
        frozenset(settings["shortened"]) | {run_id for run_id, record in records.items() if record.get("diverged_at")},
    )
    for name, table in tables.items():
        check_columns(name, list(table.columns))
        write_table(output / f"{name}.parquet", table)


def _read_current_record(results: Results, run_id: str) -> dict[str, Any]:
    """``run.json``, once it is certain that the run answers the current spec."""
    folder, current = results.run(run_id), results.spec("runs", run_id)
    for path in (current, folder / SPEC):
        if not path.is_file():
            raise PhasebenchError(f"{path}: there is no such file; {REMEDY}")
    record = read_record(folder, *RECORDED, "spec", "packages")
    digest = sha256_of_file(current)
    if not digest == sha256_of_file(folder / SPEC) == record["digest"]:
        raise PhasebenchError(
            f"{folder / SPEC}: run '{run_id}' was made from another spec than {current}; run snakemake again"
        )
    return record


def _keys(run_id: str, record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {"run": run_id, **{name: record["spec"][name] for name in names}}


def _runs_table(records: dict[str, dict[str, Any]], models: pd.DataFrame) -> pd.DataFrame:
    parameters = dict(zip(models["model"], models["published_parameters"], strict=True))
    return pd.DataFrame(
        [
            {
                **_keys(run_id, record, COORDINATES),
                **{name: record[name] for name in RECORDED},
                "published_parameters": parameters[record["spec"]["model"]],
                # Only procedures that keep what a diverging run measured say this.
                "diverged_at": record.get("diverged_at"),
                # Only runs on images in shards decode while they train.
                "decoded_images_per_second": record.get("decoded_images_per_second"),
                "wait_seconds": record.get("wait_seconds"),
                "batch_size": record["spec"]["recipe"].get("batch_size", record["n_train"]),
                "processes": record["spec"]["recipe"].get("processes", 1),
                "torch": record["packages"].get("torch"),
                "settings": _json(_settings(record["spec"])),
                "environment": _json({"python": record["python"], **record["packages"]}),
            }
            for run_id, record in records.items()
        ]
    )


def _settings(spec: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run, beyond those that have columns."""
    return {**{name: value for name, value in spec.items() if name not in _NOT_SETTINGS}, **spec["recipe"]}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _read_evaluations(
    folder: Path, run_id: str, record: dict[str, Any], history: pd.DataFrame, evaluations: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per metric and condition, and one per metric, condition and item: means over draws.

    The accuracies are those that training measured, as are the metrics in the history.
    """
    columns = ("metric", "condition", "value")
    accuracies = pd.DataFrame(_accuracies(record, history).items(), columns=["metric", "value"])
    index = read_index(folder) if evaluations else Evaluated(evaluations={})
    evaluated = [read_evaluation(folder, index, name, columns) for name in evaluations]
    measured = pd.concat([accuracies.assign(condition=float("nan")), *_measured_in_training(history), *evaluated])
    measured = measured.assign(item=measured.get("item", pd.Series(dtype="str")).astype("str"))
    keys = _keys(run_id, record, COORDINATES)

    def means(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
        return rows.groupby(by, dropna=False, sort=True)["value"].mean().reset_index().assign(**keys)

    of_parts = measured["item"].notna()
    # Values that were probed while the run trained have the epoch as their condition.
    probes = read_run_table(folder, PROBES, ("epoch", "metric", "item", "value"))
    parts = pd.concat([measured[of_parts], probes.rename(columns={"epoch": "condition"})])
    return means(measured[~of_parts], ["metric", "condition"]), means(parts, ["metric", "condition", "item"])


def _accuracies(record: dict[str, Any], history: pd.DataFrame) -> dict[str, float]:
    """Accuracies on the test samples and, without validation, on the last epoch's samples, and their difference."""
    test = record["test_accuracy"]
    last = history.loc[history["step"] == record["best_step"], "train_accuracy"]
    if record["best_validation_accuracy"] is not None or last.isna().all():
        return {"test_accuracy": test}
    train = float(last.iloc[-1])
    return {"test_accuracy": test, "train_accuracy": train, "overfitting": train - test}


def _read_analyses(analyses: dict[Path, dict[str, str]]) -> pd.DataFrame:
    """All analyses by their files, each row with the suite, the experiment and the analysis that it is of.

    A file of several experiments says itself of which a row is.
    """
    tables = [pd.DataFrame(columns=list(COLUMNS["analyses"]))]
    for path, keys in analyses.items():
        columns = (*(("experiment",) if "experiment" not in keys else ()), *COLUMN_TYPES)
        tables.append(read_table(path, columns, _ANALYSE_AGAIN)[list(columns)].assign(**keys))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _read_history(folder: Path) -> pd.DataFrame:
    history = read_run_table(folder, HISTORY, ("step", "validation_accuracy"))
    # Runs that do not follow training and test have no such columns.
    return history.reindex(columns=list(dict.fromkeys([*history.columns, *CURVES])))


def _measured_in_training(history: pd.DataFrame) -> list[pd.DataFrame]:
    """A table of metric, condition and value, if the history has any."""
    metrics = [column for column in history.columns if column.startswith(_MEASURED_IN_TRAINING)]
    if not metrics:
        return []
    long = history.melt("step", metrics, var_name="metric").dropna(subset=["value"])
    return [long.rename(columns={"step": "condition"}).astype({"condition": "float64"})]


def _history_table(run_id: str, record: dict[str, Any], history: pd.DataFrame) -> pd.DataFrame:
    kept = [column for column in history.columns if not column.startswith(_MEASURED_IN_TRAINING)]
    return history[kept].assign(**_keys(run_id, record, HISTORY_COORDINATES))


def _with_published(metrics: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``published`` and ``published_where``."""
    study = metrics["stands_in_for"].where(metrics["stands_in_for"].notna(), metrics["dataset"])
    left = metrics.assign(_dataset=study, _fraction=rounded(metrics["train_fraction"]))
    right = published.assign(
        _fraction=rounded(published["train_fraction"].astype(float)), condition=published["condition"].astype(float)
    ).rename(columns={"dataset": "_dataset", "value": "published", "where": "published_where"})
    keys = [{"dataset": "_dataset", "train_fraction": "_fraction"}.get(key, key) for key in _PUBLISHED_KEYS]
    # Values without a condition meet published ones without: a merge takes NaN for equal to NaN.
    joined = left.merge(right[[*keys, "published", "published_where"]], on=keys, how="left", validate="many_to_one")
    return joined.drop(columns=["_dataset", "_fraction"])
