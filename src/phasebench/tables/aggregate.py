"""Aggregation of all results into the tidy tables that the report is made of."""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.claims.model import StudyClaims
from phasebench.claims.verdicts import judge_claims
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_table, sha256_of_file, sha256_of_text, write_table
from phasebench.properties import rows as property_rows
from phasebench.specs.evaluated import EVALUATED, Evaluated, read_evaluation, read_index
from phasebench.specs.paths import Results, SpecKind
from phasebench.specs.run import COORDINATES, rounded
from phasebench.specs.run_folder import (
    HISTORY,
    PROBES,
    RECORD,
    REMEDY,
    SPEC,
    check_file,
    check_recorded,
    evaluation_file,
    read_record,
    read_run_table,
    recorded_spec,
)
from phasebench.specs.stage import StageIdentity, read_identity
from phasebench.specs.value_tables import COLUMN_TYPES
from phasebench.tables.schema import (
    COLUMNS,
    CURVES,
    HISTORY_COORDINATES,
    PUBLISHED_COORDINATES,
    RECORDED,
    check_columns,
)
from phasebench.tables.unfinished import RUN, StaleResultError, Unfinished

# Columns of the history whose names begin so are metrics, with the step as condition.
_MEASURED_IN_TRAINING = ("accuracy_", "deviation_")
_PUBLISHED_KEYS = (*PUBLISHED_COORDINATES, "metric", "condition")
_ANALYSE_AGAIN = "delete it and run snakemake again"
# A setting that a run's other columns do not say stands in the column `settings`.
_NOT_SETTINGS = frozenset((*COORDINATES, "schema_version", "scale", "recipe"))


def aggregate_results(
    spec: StageIdentity, results: Path, output: Path, unfinished: Unfinished | None = None
) -> pd.DataFrame:
    """Write the tables that the report is made of as Parquet.

    ``metrics`` has what was measured on a run as a whole, ``items`` what was measured on its parts (an image, a pair of
    filters, a module of the network while it trained), ``analyses`` what was computed from several runs, what was
    timed and the baselines, ``properties`` what layers and untrained networks decide, ``claims`` what the studies claim
    with a verdict; beside these are ``history``, ``runs``, ``published``, ``benchmark``, ``experiments`` and
    ``models``. ``left_out`` has the runs that were not planned since their data are missing, and ``unfinished`` what
    was planned and cannot be used.

    The published number stands beside each measured one, also where another data set stands in for the study's.

    Parameters
    ----------
    spec : StageIdentity
        What to collect: run ids with their evaluations, analyses, models, published numbers, claims, scale.
    results : Path
        ``results/<scale>``: the runs' folders below ``runs``, their current spec files below ``specs/runs``.
    output : Path
        Folder of the tables.
    unfinished : Unfinished, optional
        Notes what is missing, failed, damaged or stale, which is then left out. Without it, nothing may be.

    Returns
    -------
    pandas.DataFrame
        The table ``unfinished``.

    Raises
    ------
    PhasebenchError
        Nothing may be missing, and a file of a run is, or is damaged, or belongs to another spec than the current one.
    """
    settings, found = spec.settings, Results(results)
    unfinished = unfinished or Unfinished(found)
    published = pd.DataFrame(settings["published"], columns=list(COLUMNS["published"]))
    models = pd.DataFrame([{"model": name, **entry} for name, entry in settings["models"].items()])
    records: dict[str, dict[str, Any]] = {}
    history, measured, parts = [], [], []
    for run_id, names in settings["runs"].items():
        keys = unfinished.keys_of(run_id) if unfinished.is_allowed else {}
        with unfinished.noted(RUN, "train", run_id, keys):
            record, recorded, probes = _read_finished(found, run_id, unfinished)
            evaluated = _read_evaluations(found, run_id, names, unfinished, keys)
            records[run_id] = record
            history.append(_history_table(run_id, record, recorded))
            whole, items = _measured(run_id, record, recorded, probes, evaluated)
            measured.append(whole)
            parts.append(items)
    tables = {
        "runs": _runs_table(records, models, settings["imported"]),
        "metrics": _with_published(_stacked(measured, "metrics"), published),
        "items": _stacked(parts, "items"),
        "analyses": _read_analyses(found, settings, unfinished),
        "properties": _read_properties(found, settings["properties"], unfinished),
        "history": _stacked(history, "history"),
        "published": published,
        "models": models,
        "experiments": pd.DataFrame(
            [
                {**experiment, **{name: _json(experiment[name]) for name in ("answers", "reported")}}
                for experiment in settings["experiments"]
            ],
            columns=list(COLUMNS["experiments"]),
        ),
        "left_out": pd.DataFrame(settings["left_out"], columns=list(COLUMNS["left_out"])),
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
    measured_values = pd.concat([tables["metrics"], tables["items"]], ignore_index=True)
    # Claims are about the studies' networks: one from outside decides none, nor what any network can learn there.
    external = [name for name, entry in settings["models"].items() if not entry["study"]]
    tables["claims"] = judge_claims(
        studies,
        measured_values[~measured_values["model"].isin(external)],
        tables["analyses"],
        tables["runs"],
        published,
        frozenset(settings["shortened"]) | {run_id for run_id, record in records.items() if record.get("diverged_at")},
    )
    tables["unfinished"] = unfinished.table()
    for name, table in tables.items():
        check_columns(name, list(table.columns))
        write_table(output / f"{name}.parquet", table)
    return tables["unfinished"]


def _stacked(tables: list[pd.DataFrame], name: str) -> pd.DataFrame:
    """The rows of all tables; where there are none, the columns of the table with this name."""
    if tables:
        return pd.concat(tables, ignore_index=True)
    # The published numbers are joined on.
    columns = [column for column in COLUMNS[name] if not column.startswith("published")]
    return pd.DataFrame(
        {column: pd.Series(dtype="float64" if COLUMNS[name][column] == "number" else "str") for column in columns}
    )


def _read_finished(
    results: Results, run_id: str, unfinished: Unfinished
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """``run.json``, the history and the probes of a run that is finished and current."""
    folder = results.run(run_id)
    unfinished.need(folder / RECORD)
    record = _read_current_record(results, run_id)
    unfinished.check_data(record)
    for file in (HISTORY, PROBES):
        check_file(folder, record, file)
    probes = read_run_table(folder, PROBES, ("epoch", "metric", "item", "value"))
    return record, _read_history(folder), _tidy(probes, folder / PROBES, ("epoch", "value"), ("metric", "item"))


def _read_current_record(results: Results, run_id: str) -> dict[str, Any]:
    """``run.json``, once it is certain that the run answers the current spec."""
    folder, current = results.run(run_id), results.spec("runs", run_id)
    for path in (current, folder / SPEC):
        if not path.is_file():
            raise PhasebenchError(f"{path}: there is no such file; {REMEDY}")
    record = read_record(folder, *RECORDED, "spec", "packages")
    kinds = COLUMNS["runs"]
    numbers = [name for name in RECORDED if kinds[name] == "number"]
    check_recorded(folder, record, numbers, [name for name in RECORDED if kinds[name] == "text"])
    recorded_spec(folder, record)
    if not isinstance(record["packages"], dict):
        raise PhasebenchError(f"{folder / RECORD}: packages: must be names and versions; {REMEDY}")
    try:
        _json(record).encode()
    except UnicodeEncodeError as error:
        raise PhasebenchError(f"{folder / RECORD}: has half of a character, which is no text; {REMEDY}") from error
    digest = sha256_of_file(current)
    if not digest == sha256_of_file(folder / SPEC) == record["digest"]:
        raise StaleResultError(
            f"{folder / SPEC}: run '{run_id}' was made from another spec than {current}; run snakemake again"
        )
    return record


def _keys(run_id: str, record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {"run": run_id, **{name: record["spec"][name] for name in names}}


def _runs_table(records: dict[str, dict[str, Any]], models: pd.DataFrame, imported: dict[str, str]) -> pd.DataFrame:
    parameters = dict(zip(models["model"], models["published_parameters"], strict=True))
    rows = [
        {
            **_keys(run_id, record, COORDINATES),
            **{name: record[name] for name in RECORDED},
            # The speed of a run that shared its graphics card says nothing of its network.
            "images_per_second": math.nan if "shared_gpu" in record else record["images_per_second"],
            "published_parameters": parameters[record["spec"]["model"]],
            # Only procedures that keep what a diverging run measured say this.
            "diverged_at": record.get("diverged_at"),
            # Only runs on images in shards decode while they train.
            "decoded_images_per_second": record.get("decoded_images_per_second"),
            "wait_seconds": record.get("wait_seconds"),
            "batch_size": record["spec"]["recipe"].get("batch_size", record["n_train"]),
            "processes": record["spec"]["recipe"].get("processes", 1),
            "torch": record["packages"].get("torch"),
            "origin": imported.get(run_id, ""),
            "settings": _json(_settings(record["spec"])),
            "environment": _json({"python": record["python"], **record["packages"]}),
        }
        for run_id, record in records.items()
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(COLUMNS["runs"]))


def _settings(spec: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run, beyond those that have columns."""
    return {**{name: value for name, value in spec.items() if name not in _NOT_SETTINGS}, **spec["recipe"]}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _read_evaluations(
    results: Results, run_id: str, names: dict[str, str], unfinished: Unfinished, keys: dict[str, Any]
) -> list[pd.DataFrame]:
    """The tables of a run's evaluations, which are given with the names of their spec files."""
    folder, tables = results.run(run_id), []
    index = Evaluated(evaluations={})
    if names and (not unfinished.is_allowed or (folder / EVALUATED).is_file()):
        with unfinished.noted("index of evaluations", "evaluate", run_id, keys):
            index = read_index(folder)
    for name, spec in sorted(names.items()):
        with unfinished.noted(f"evaluation {name}", "evaluate", run_id, keys):
            columns = ("metric", "condition", "value")
            if unfinished.is_allowed:
                unfinished.need(results.evaluation(run_id, name))
            if unfinished.is_allowed and name not in index.evaluations:
                # The index is written once all are finished; until then, each says itself what it was made from.
                table = read_run_table(folder, evaluation_file(name), columns)
            else:
                table = read_evaluation(folder, index, name, columns)
            unfinished.check_origin(table, results.spec("evaluations", spec), [folder / RECORD])
            tables.append(_tidy(table, results.evaluation(run_id, name), ("condition", "value"), ("metric",)))
    return tables


def _tidy(table: pd.DataFrame, path: Path, numbers: Iterable[str], texts: Iterable[str]) -> pd.DataFrame:
    """The table, once it is certain that its columns are numbers and texts."""
    for name in texts:
        there = table[name].dropna()
        if len(there) and pd.api.types.infer_dtype(there) != "string":
            raise PhasebenchError(f"{path}: {name}: has what is no text; {REMEDY}")
    for name in numbers:
        try:
            table = table.assign(**{name: pd.to_numeric(table[name])})
        except (ValueError, TypeError) as error:
            raise PhasebenchError(f"{path}: {name}: has what is no number; {REMEDY}") from error
    return table


def _measured(
    run_id: str, record: dict[str, Any], history: pd.DataFrame, probes: pd.DataFrame, evaluated: list[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per metric and condition, and one per metric, condition and item: means over draws.

    The accuracies are those that training measured, as are the metrics in the history.
    """
    accuracies = pd.DataFrame(_accuracies(record, history).items(), columns=["metric", "value"])
    measured = pd.concat([accuracies.assign(condition=float("nan")), *_measured_in_training(history), *evaluated])
    measured = measured.assign(item=measured.get("item", pd.Series(dtype="str")).astype("str"))
    keys = _keys(run_id, record, COORDINATES)

    def means(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
        return rows.groupby(by, dropna=False, sort=True)["value"].mean().reset_index().assign(**keys)

    of_parts = measured["item"].notna()
    # Values that were probed while the run trained have the epoch as their condition.
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


def _read_analyses(results: Results, settings: dict[str, Any], unfinished: Unfinished) -> pd.DataFrame:
    """All analyses, timings and baselines, each row with the suite, the experiment and the analysis that it is of.

    A file of several experiments says itself of which a row is.
    """
    kinds: list[tuple[SpecKind, str, Callable[[str], Path]]] = [
        ("analyses", "analyse", results.analysis),
        ("overheads", "overhead", results.overhead),
        ("baselines", "baselines", results.baselines),
    ]
    tables = [pd.DataFrame(columns=list(COLUMNS["analyses"]))]
    for kind, rule, path_of in kinds:
        for name, keys in settings[kind].items():
            placed = {key: value for key, value in keys.items() if key != "analysis"}
            with unfinished.noted(f"{rule} {keys['analysis']}", rule, name, placed):
                if unfinished.is_allowed:
                    unfinished.need(path_of(name))
                columns = (*(("experiment",) if "experiment" not in keys else ()), *COLUMN_TYPES)
                table = read_table(path_of(name), columns, _ANALYSE_AGAIN)
                _check_analysis(results, kind, name, table, unfinished)
                tables.append(table[list(columns)].assign(**keys))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _check_analysis(results: Results, kind: SpecKind, name: str, table: pd.DataFrame, unfinished: Unfinished) -> None:
    """Refuse a table whose spec file or whose runs are others now."""
    if not unfinished.is_allowed:
        return
    spec = results.spec(kind, name)
    records = None
    if kind == "analyses":
        runs = read_identity(StageIdentity, spec).settings["runs"]
        records = [results.run(run_id) / RECORD for run_id in runs]
        if not all(record.is_file() for record in records):
            raise StaleResultError("not all of its runs are there")
    unfinished.check_origin(table, spec, records)


def _read_properties(results: Results, suites: list[str], unfinished: Unfinished) -> pd.DataFrame:
    """The properties of all studies."""
    columns = property_rows.COLUMN_TYPES
    tables = [pd.DataFrame(columns=list(columns)).astype(columns)]
    for suite in suites:
        with unfinished.noted("properties", "properties", suite, {"suite": suite}):
            path = results.properties(suite)
            if unfinished.is_allowed:
                unfinished.need(path)
            table = read_table(path, columns, _ANALYSE_AGAIN)
            unfinished.check_origin(table, results.spec("properties", suite), None)
            tables.append(table[list(columns)])
    return pd.concat(tables, ignore_index=True)


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
