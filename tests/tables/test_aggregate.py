"""Aggregation of two small runs written by hand, and of runs with every kind of damage."""

import fcntl
import json
import math
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.two_runs import FIRST, SECOND, SPEC, index, published, write_run

from phasebench.claims.verdicts import judge_claims
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_table, write_text
from phasebench.properties.rows import Property, write_properties
from phasebench.provenance.record import ORIGIN, origin
from phasebench.reporting.page.build import build_report
from phasebench.specs.evaluated import EVALUATED, index_evaluations
from phasebench.specs.paths import Logs, Results
from phasebench.specs.run import COORDINATES
from phasebench.specs.run_folder import write_record
from phasebench.specs.stage import StageIdentity
from phasebench.tables.aggregate import aggregate_results
from phasebench.tables.read import read_tables
from phasebench.tables.schema import COLUMNS
from phasebench.tables.unfinished import Unfinished, progress_lines


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_run(tmp_path / "results", FIRST, 0.6)
    write_run(tmp_path / "results", SECOND, 0.4)
    return tmp_path / "results"


@pytest.fixture
def tables(results: Path) -> dict[str, pd.DataFrame]:
    aggregate_results(SPEC, results, results / "tables")
    return {path.stem: pd.read_parquet(path) for path in (results / "tables").iterdir()}


def test_the_tables_are_those_that_the_report_reads(results: Path, tables: dict[str, pd.DataFrame]) -> None:
    assert {name: set(table.columns) for name, table in tables.items()} == {
        name: set(columns) for name, columns in COLUMNS.items()
    }
    assert len(read_tables(results / "tables").runs) == 2


def test_a_run_that_diverged_decides_no_claim(tmp_path: Path) -> None:
    results, runs = tmp_path / "results", [SECOND.model_copy(update={"seed": seed}) for seed in (1, 2)]
    folders = [write_run(results, run, 0.4) for run in runs]
    claim = {
        "id": "accuracy",
        "text": "The network is accurate.",
        "where": "Table 1",
        "published": "0.67",
        "unit": "percent",
        "measured": {"metric": "test_accuracy", "experiment": "table_1", "models": ["net"]},
        "at_least": 30,
    }
    claims = [{"suite": "study", "claims": [claim]}]
    spec = SPEC.model_copy(
        update={"settings": {**SPEC.settings, "runs": {run.id: {} for run in runs}, "claims": claims}}
    )

    def judged() -> tuple[str, str]:
        aggregate_results(spec, results, results / "tables")
        row = pd.read_parquet(results / "tables" / "claims.parquet").iloc[0]
        return row["mark"], row["reason"]

    assert judged() == ("reproduced", "")
    path = folders[0] / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"diverged_at": 17}))
    mark, reason = judged()
    assert mark == "not tested"
    assert reason == "shortened training or a smaller network"
    assert read_tables(results / "tables").runs["diverged_at"].dropna().tolist() == [17]


def test_a_network_that_is_no_studys_is_in_the_tables_and_decides_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, other = tmp_path / "results", FIRST.model_copy(update={"model": "mine"})
    for run in (FIRST, other):
        write_run(results, run, 0.5)
    judged: list[pd.DataFrame] = []

    def judge(studies: object, measured: pd.DataFrame, *rest: Any) -> pd.DataFrame:
        judged.append(measured)
        return judge_claims([], measured, *rest)

    monkeypatch.setattr("phasebench.tables.aggregate.judge_claims", judge)
    row = {"label": "Mine (not of the study)", "study": "", "published_parameters": None}
    changes = {"runs": {FIRST.id: {}, other.id: {}}, "models": {**SPEC.settings["models"], "mine": row}}
    aggregate_results(SPEC.model_copy(update={"settings": {**SPEC.settings, **changes}}), results, results / "tables")
    assert set(judged[0]["model"]) == {"net"}
    assert set(pd.read_parquet(results / "tables/metrics.parquet")["model"]) == {"net", "mine"}


def test_runs_without_validation_have_the_accuracy_of_their_last_epoch(results: Path) -> None:
    path = results / "runs" / FIRST.id / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "best_step": 20, "best_validation_accuracy": None}))
    aggregate_results(SPEC, results, results / "tables")
    metrics = pd.read_parquet(results / "tables/metrics.parquet")
    of_run = metrics[(metrics["run"] == FIRST.id) & (metrics["metric"] != "rotation_accuracy")]
    found = dict(zip(of_run["metric"], of_run["value"], strict=True))
    assert found == {"test_accuracy": 0.6, "train_accuracy": 0.7, "overfitting": pytest.approx(0.1)}
    # The other run kept the weights that validated best, of which no training accuracy is known.
    assert set(metrics[metrics["run"] == SECOND.id]["metric"]) == {"test_accuracy"}


def test_what_belongs_to_a_part_of_a_run_stands_apart(results: Path) -> None:
    rows = [
        ("spread", None, 0, 0.5),
        ("confidence", "a", 0, 0.2),
        ("confidence", "a", 1, 0.4),
        ("confidence", "b", 0, 1.0),
    ]
    table = pd.DataFrame(rows, columns=["metric", "item", "draw", "value"]).assign(condition=90.0)
    table.to_parquet(results / "runs" / SECOND.id / "evaluation" / "confidence.parquet")
    index(results / "runs" / SECOND.id)
    runs = {FIRST.id: {"rotation": "rotation"}, SECOND.id: {"confidence": "confidence"}}
    spec = SPEC.model_copy(update={"settings": {**SPEC.settings, "runs": runs}})
    aggregate_results(spec, results, results / "tables")
    items = pd.read_parquet(results / "tables/items.parquet")
    own = items[items["metric"] == "confidence"]
    assert dict(zip(own["item"], own["value"], strict=True)) == {"a": pytest.approx(0.3), "b": 1.0}
    assert set(own["run"]) == {SECOND.id}
    # What training probed is there for every run, under its epoch.
    probes = items[items["metric"] == "map_rms"]
    assert set(probes["run"]) == {FIRST.id, SECOND.id}
    assert set(zip(probes["condition"], probes["item"], probes["value"], strict=True)) == {(0.0, "module3", 0.125)}
    metrics = pd.read_parquet(results / "tables/metrics.parquet")
    assert set(metrics["metric"]) == {"rotation_accuracy", "test_accuracy", "spread"}


def test_analyses_are_collected(results: Path) -> None:
    row = dict.fromkeys(["stands_in_for", "variant", "seed", "condition"])
    row |= {"dataset": "shapes", "encoding": "lab", "train_fraction": 1.0, "model": "net", "n": 5}
    table = pd.DataFrame([row | {"metric": "bias", "item": "cat", "value": 0.25}])
    path = results / "analyses/study/table_1/bias_variance.parquet"
    path.parent.mkdir(parents=True)
    table.to_parquet(path)
    keys = {"suite": "study", "experiment": "table_1", "analysis": "bias_variance"}
    analyses = {"study/table_1/bias_variance": keys}
    spec = SPEC.model_copy(update={"settings": {**SPEC.settings, "analyses": analyses}})
    aggregate_results(spec, results, results / "tables")
    found = pd.read_parquet(results / "tables/analyses.parquet").iloc[0]
    assert found[["suite", "experiment", "analysis", "item", "value"]].tolist() == [*keys.values(), "cat", 0.25]
    path.unlink()
    with pytest.raises(PhasebenchError, match=r"bias_variance.parquet: there is no such file"):
        aggregate_results(spec, results, results / "tables")


def test_baselines_of_several_experiments_stand_in_one_file(results: Path) -> None:
    row: dict[str, object] = {"dataset": "shapes", "stands_in_for": "cifar10", "encoding": "lab", "variant": None}
    row |= {"train_fraction": 1.0, "model": None, "seed": 0, "n": 20, "condition": None, "item": None}
    row |= {"metric": "linear_accuracy", "value": 0.25}
    path = results / "baselines/study.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame([{**row, "experiment": name} for name in ("table_1", "table_2")]).to_parquet(path)
    baselines = {"study": {"suite": "study", "analysis": "baselines"}}
    spec = SPEC.model_copy(update={"settings": {**SPEC.settings, "baselines": baselines}})
    aggregate_results(spec, results, results / "tables")
    found = pd.read_parquet(results / "tables/analyses.parquet")
    assert found["experiment"].tolist() == ["table_1", "table_2"]
    assert found[["suite", "analysis", "metric"]].drop_duplicates().to_numpy().tolist() == [
        ["study", "baselines", "linear_accuracy"]
    ]
    pd.DataFrame([row]).to_parquet(path)
    with pytest.raises(PhasebenchError, match=r"study.parquet: experiment: missing column"):
        aggregate_results(spec, results, results / "tables")


def test_properties_of_all_studies_are_one_table(results: Path, tmp_path: Path) -> None:
    for suite, value in (("study", 0.0), ("other", 2.0)):
        law = Property("layer", "net", "law", value, 0.0, 1.0, dtype="float32")
        write_properties(results / f"properties/{suite}.parquet", suite, [law, Property("layer", "net", "time", 3.0)])
    settings = {**SPEC.settings, "properties": ["study", "other"]}
    aggregate_results(SPEC.model_copy(update={"settings": settings}), results, tmp_path / "tables")
    table = read_tables(tmp_path / "tables").properties
    assert list(zip(table["suite"], table["law"], table["holds"], strict=True))[::2] == [
        ("study", "law", 1.0),
        ("other", "law", 0.0),
    ]
    assert table["holds"][1::2].isna().all()
    (results / "properties/other.parquet").unlink()
    with pytest.raises(PhasebenchError, match=r"other\.parquet"):
        aggregate_results(SPEC.model_copy(update={"settings": settings}), results, tmp_path / "tables")


def test_the_published_number_stands_beside_the_measured_one(tables: dict[str, pd.DataFrame]) -> None:
    metrics = tables["metrics"]
    accuracy = metrics[metrics["metric"] == "test_accuracy"].set_index("run")
    # The first run's data stand in for the study's; the second used a tenth of them.
    assert accuracy["value"].to_dict() == {FIRST.id: 0.6, SECOND.id: 0.4}
    assert accuracy["published"].to_dict() == {FIRST.id: 0.67, SECOND.id: 0.5}
    assert accuracy["published_where"].to_dict() == {FIRST.id: "Table 1", SECOND.id: "Table 2"}


def test_draws_are_averaged_and_conditions_are_not(tables: dict[str, pd.DataFrame]) -> None:
    metrics = tables["metrics"]
    rotation = metrics[metrics["metric"] == "rotation_accuracy"]
    assert dict(zip(rotation["condition"], rotation["value"], strict=True)) == {0.0: 1.0, 90.0: pytest.approx(1.09)}
    assert set(rotation["run"]) == {FIRST.id}
    assert rotation["published"].isna().all()


def test_what_training_measured_under_steps_are_metrics(results: Path) -> None:
    path = results / "runs" / SECOND.id / "history.parquet"
    history = pd.read_parquet(path).assign(accuracy_only_phase=[None, 0.7], deviation_half_units=[0.1, None])
    history.to_parquet(path)
    phase = published(train_fraction=0.1, metric="accuracy_only_phase", condition=20.0, value=0.8, where="Figure 1")
    settings = {**SPEC.settings, "published": [phase, {**phase, "condition": 10.0, "value": 0.1}]}
    aggregate_results(SPEC.model_copy(update={"settings": settings}), results, results / "tables")
    metrics = pd.read_parquet(results / "tables/metrics.parquet")
    found = metrics[metrics["metric"].isin(["accuracy_only_phase", "deviation_half_units"])].set_index("metric")
    columns = ["run", "condition", "value", "published", "published_where"]
    assert found.loc["accuracy_only_phase", columns].tolist() == [SECOND.id, 20.0, 0.7, 0.8, "Figure 1"]
    assert found.loc["deviation_half_units", columns[:3]].tolist() == [SECOND.id, 10.0, 0.1]
    assert "accuracy_only_phase" not in pd.read_parquet(results / "tables/history.parquet")


def test_a_number_published_without_a_condition_is_not_that_of_a_condition(results: Path) -> None:
    settings = {**SPEC.settings, "published": [published(metric="rotation_accuracy")]}
    aggregate_results(SPEC.model_copy(update={"settings": settings}), results, results / "tables")
    metrics = pd.read_parquet(results / "tables" / "metrics.parquet")
    assert metrics["published"].isna().all()
    assert metrics["published_where"].isna().all()


def test_runs_and_history(tables: dict[str, pd.DataFrame]) -> None:
    run = tables["runs"].set_index("run").loc[SECOND.id]
    assert (run["model"], run["seed"], run["variant"], run["train_fraction"]) == ("net", 1, "fraction010", 0.1)
    assert (run["batch_size"], run["published_parameters"], run["torch"], run["n_test"]) == (32, 123, "2.13.0", 4)
    assert (run["threads"], run["processes"]) == (13, 1)
    assert json.loads(run["environment"]) == {"python": "3.11.7", "torch": "2.13.0"}
    settings = json.loads(run["settings"])
    assert settings.items() >= {"optimizer": "adamw", "steps": 20, "subset": "random", "test_encoding": None}.items()
    assert not settings.keys() & {"model", "seed", "recipe", "scale"}
    assert pd.isna(run["wait_seconds"])
    history = tables["history"]
    assert history.groupby("run")["step"].apply(list).to_dict() == {FIRST.id: [10, 20], SECOND.id: [10, 20]}
    assert set(history["dataset"]) == {"shapes", "cifar10"}


def test_runs_on_images_in_shards_say_how_they_were_read(results: Path) -> None:
    path = results / "runs" / FIRST.id / "run.json"
    read = {"decoded_images_per_second": 900.0, "wait_seconds": 2.5}
    path.write_text(json.dumps(json.loads(path.read_text()) | read))
    aggregate_results(SPEC, results, results / "tables")
    runs = pd.read_parquet(results / "tables" / "runs.parquet").set_index("run")
    assert runs.loc[FIRST.id, list(read)].to_dict() == read
    assert runs.loc[SECOND.id, list(read)].isna().all()


def test_what_did_not_run_is_there_too(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["published"].to_dict("records")[2]["encoding"] == "rgb"
    assert tables["models"].to_dict("records") == [
        {"model": "net", "label": "Net", "study": "study", "published_parameters": 123}
    ]
    (benchmark,) = tables["benchmark"].to_dict("records")
    assert (benchmark["scale"], benchmark["label"], benchmark["suites"]) == ("demo", "DEMO", "study, other")
    assert len(benchmark["config_digest"]) == 64


def test_a_run_of_slurm_and_another_stand_side_by_side(results: Path, tables: dict[str, pd.DataFrame]) -> None:
    path = results / "runs" / FIRST.id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "slurm_job_id": "12_3", "slurm_restarts": 1}))
    aggregate_results(SPEC, results, results / "tables")
    pd.testing.assert_frame_equal(pd.read_parquet(results / "tables" / "runs.parquet"), tables["runs"])


def test_the_speed_of_a_run_that_shared_its_card_is_left_out(results: Path, tables: dict[str, pd.DataFrame]) -> None:
    path = results / "runs" / FIRST.id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shared_gpu": 8}))
    aggregate_results(SPEC, results, results / "tables")
    found = pd.read_parquet(results / "tables" / "runs.parquet").set_index("run")
    before = tables["runs"].set_index("run")
    assert math.isnan(found["images_per_second"][FIRST.id])
    assert not math.isnan(before["images_per_second"][FIRST.id])
    pd.testing.assert_frame_equal(found.drop(columns="images_per_second"), before.drop(columns="images_per_second"))


def test_equal_results_give_equal_bytes(results: Path) -> None:
    for name in ("one", "two"):
        aggregate_results(SPEC, results, results / name)
    for path in (results / "one").iterdir():
        assert path.read_bytes() == (results / "two" / path.name).read_bytes()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_column(path: Path) -> None:
    pd.read_parquet(path).drop(columns="value").to_parquet(path)
    index(path.parents[1])


def with_other_values(path: Path) -> None:
    pd.read_parquet(path).assign(value=0.5).to_parquet(path)


def with_texts(path: Path) -> None:
    pd.read_parquet(path).assign(value="x").to_parquet(path)


def with_lists(path: Path) -> None:
    pd.read_parquet(path).assign(metric=[["x"]]).to_parquet(path)


def with_a_text_as_condition(path: Path) -> None:
    pd.read_parquet(path).assign(condition="x").to_parquet(path)
    index(path.parents[1])


def with_damaged_notes(path: Path) -> None:
    table = pq.read_table(path)
    notes = table.schema.metadata[b"pandas"]
    pq.write_table(table.replace_schema_metadata({b"pandas": notes.replace(b"numpy_type", b"numpy_typf")}), path)


def with_half_a_character(path: Path) -> None:
    record: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "git_commit": "\udc80"}))


def without_evaluation(path: Path) -> None:
    path.write_text(json.dumps({"evaluations": {}}))


def without_key(path: Path) -> None:
    record: dict[str, Any] = json.loads(path.read_text())
    del record["test_accuracy"]
    path.write_text(json.dumps(record))


def test_a_run_without_probes(results: Path) -> None:
    folder = results / "runs" / FIRST.id
    pd.read_parquet(folder / "probes.parquet").iloc[:0].to_parquet(folder / "probes.parquet")
    aggregate_results(SPEC, results, results / "tables")
    assert "map_rms" not in set(pd.read_parquet(results / "tables/items.parquet").query("run == @FIRST.id")["metric"])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("run.json", Path.unlink, "run.json: there is no such file"),
        ("run.json", cut, "run.json: not a complete JSON file"),
        ("run.json", without_key, "run.json: test_accuracy: the key is missing"),
        ("run.json", with_half_a_character, "run.json: has half of a character, which is no text"),
        ("probes.parquet", with_texts, "probes.parquet: value: has what is no number; delete the run's folder"),
        ("probes.parquet", with_damaged_notes, "probes.parquet: not a complete Parquet file"),
        ("probes.parquet", with_lists, "probes.parquet: metric: has what is no text; delete the run's folder"),
        ("evaluation/rotation.parquet", with_a_text_as_condition, "rotation.parquet: condition: has what is no number"),
        ("spec.json", Path.unlink, "spec.json: there is no such file"),
        ("history.parquet", Path.unlink, "history.parquet: there is no such file"),
        ("history.parquet", cut, "history.parquet: not a complete Parquet file"),
        ("probes.parquet", Path.unlink, "probes.parquet: there is no such file"),
        ("evaluated.json", Path.unlink, "evaluated.json: cannot be read: No such file or directory; delete it and"),
        ("evaluated.json", cut, "evaluated.json: content: not complete JSON; delete it and run snakemake again"),
        ("evaluated.json", without_evaluation, "evaluated.json: evaluations: 'rotation' is missing; delete it and"),
        ("evaluation/rotation.parquet", Path.unlink, "rotation.parquet: there is no such file; run snakemake again"),
        ("evaluation/rotation.parquet", cut, "rotation.parquet: has another checksum than in evaluated.json; delete"),
        ("evaluation/rotation.parquet", with_other_values, "rotation.parquet: has another checksum than in evaluated"),
        ("evaluation/rotation.parquet", without_column, "rotation.parquet: value: missing column"),
    ],
)
def test_a_damaged_file_is_named(results: Path, file: str, damage: Callable[[Path], None], message: str) -> None:
    damage(results / "runs" / FIRST.id / file)
    with pytest.raises(PhasebenchError) as caught:
        aggregate_results(SPEC, results, results / "tables")
    assert str(caught.value).startswith(f"{results}/runs/{FIRST.id}/")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (results / "tables").exists()


def test_a_run_of_an_older_spec_is_refused(results: Path) -> None:
    path = results / "specs" / "runs" / f"{FIRST.id}.json"
    path.write_text(path.read_text().replace('"hash"', '"another"'))
    with pytest.raises(PhasebenchError, match=f"run '{FIRST.id}' was made from another spec than .*{FIRST.id}.json"):
        aggregate_results(SPEC, results, results / "tables")


def preview(results: Path, folder: Path, spec: StageIdentity = SPEC) -> pd.DataFrame:
    """Aggregate what there is; the tables can be read, and the one of what is unfinished is returned."""
    logs = Logs(results.parent / "logs")
    unfinished = aggregate_results(spec, results, folder, Unfinished(Results(results), logs))
    assert len(read_tables(folder).unfinished) == len(unfinished)
    return unfinished


def write_log(results: Path, rule: str, name: str, *lines: str) -> None:
    write_text(Logs(results.parent / "logs").log(rule, name), "\n".join(lines) + "\n")


def current(results: Path) -> None:
    """Let the evaluation of the first run say what it was made from."""
    folder, evaluations = results / "runs" / FIRST.id, results / "specs/evaluations/rotation-of-64.json"
    write_text(evaluations, "{}")
    made_from = origin(evaluations, [folder / "run.json"])
    path = folder / "evaluation/rotation.parquet"
    write_table(path, pd.read_parquet(path), {ORIGIN: made_from})
    write_text(folder / EVALUATED, index_evaluations(folder, {"rotation": made_from}).to_json())


def test_a_preview_of_everything_lacks_nothing(results: Path, tmp_path: Path) -> None:
    current(results)
    assert preview(results, tmp_path / "preview").empty
    aggregate_results(SPEC, results, tmp_path / "tables")
    for name in COLUMNS:
        assert (tmp_path / f"preview/{name}.parquet").read_bytes() == (tmp_path / f"tables/{name}.parquet").read_bytes()


@pytest.mark.parametrize(
    ("log", "state", "reason"),
    [
        ((), "not started", ""),
        (("step 1", "phasebench: error: the loss is not finite"), "failed", "the loss is not finite"),
        (("Traceback (most recent call last):", "  x", "MemoryError"), "failed", "MemoryError"),
        (("step 1\rstep 2",), "started", "step 2"),
    ],
)
def test_a_run_without_a_result(results: Path, tmp_path: Path, log: tuple[str, ...], state: str, reason: str) -> None:
    (results / "runs" / SECOND.id / "run.json").unlink()
    current(results)
    if log:
        write_log(results, "train", SECOND.id, *log)
    (row,) = preview(results, tmp_path / "preview").to_dict("records")
    assert (row["run"], row["what"], row["state"], row["reason"]) == (SECOND.id, "run", state, reason)
    assert {name: row[name] for name in COORDINATES} == {name: getattr(SECOND, name) for name in COORDINATES}
    assert list(read_tables(tmp_path / "preview").runs["run"]) == [FIRST.id]


def test_a_run_whose_data_could_not_be_prepared(results: Path, tmp_path: Path) -> None:
    (results / "runs" / SECOND.id / "run.json").unlink()
    current(results)
    write_log(results, "prepare", SECOND.dataset, "phasebench: error: cut file")
    unfinished = preview(results, tmp_path / "preview")
    assert list(unfinished["reason"]) == [f"data set {SECOND.dataset} failed: cut file"]
    assert progress_lines(unfinished, 2) == [
        "2 runs: 1 done, 1 not started",
        f"not started: 1 of these runs: data set {SECOND.dataset} failed: cut file",
    ]


def test_a_run_that_is_being_trained(results: Path, tmp_path: Path) -> None:
    current(results)
    (results / "runs" / SECOND.id / "run.json").unlink()
    with (results / "runs" / SECOND.id / ".lock").open("wb") as lock:
        holder = os.fork()
        if holder == 0:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            (tmp_path / "held").touch()
            signal.pause()
    try:
        while not (tmp_path / "held").exists():
            time.sleep(0.01)
        assert list(preview(results, tmp_path / "preview")["state"]) == ["running"]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    assert list(preview(results, tmp_path / "preview")["state"]) == ["not started"]


@pytest.mark.parametrize("file", ["run.json", "history.parquet", "probes.parquet"])
def test_a_damaged_run_is_left_out_of_a_preview(results: Path, tmp_path: Path, file: str) -> None:
    current(results)
    path = results / "runs" / SECOND.id / file
    path.write_bytes(path.read_bytes()[:-9])
    (row,) = preview(results, tmp_path / "preview").to_dict("records")
    assert (row["run"], row["what"], row["state"]) == (SECOND.id, "run", "damaged")
    assert file in row["reason"]
    with pytest.raises(PhasebenchError, match=re.escape(file)):
        aggregate_results(SPEC, results, tmp_path / "tables")


def test_a_file_with_another_checksum_is_not_aggregated(results: Path, tmp_path: Path) -> None:
    folder = results / "runs" / SECOND.id
    write_record(folder, json.loads((folder / "run.json").read_text()))
    history = pd.read_parquet(folder / "history.parquet")
    history.assign(validation_accuracy=0.9).to_parquet(folder / "history.parquet")
    with pytest.raises(PhasebenchError, match=r"history\.parquet: has .* (instead of|checksum)"):
        aggregate_results(SPEC, results, tmp_path / "tables")


def test_a_stale_run_is_left_out_of_a_preview(results: Path, tmp_path: Path) -> None:
    current(results)
    spec = results / "specs/runs" / f"{SECOND.id}.json"
    spec.write_text(spec.read_text().replace("hash", "other"))
    (row,) = preview(results, tmp_path / "preview").to_dict("records")
    assert (row["run"], row["state"]) == (SECOND.id, "stale")


def test_an_evaluation_that_is_missing_stale_or_damaged(results: Path, tmp_path: Path) -> None:
    """The run itself is shown; before the index is written, a finished table is."""
    current(results)
    folder = results / "runs" / FIRST.id
    (folder / EVALUATED).unlink()
    assert preview(results, tmp_path / "preview").empty
    (results / "specs/evaluations/rotation-of-64.json").write_text("{} ")
    (row,) = preview(results, tmp_path / "preview").to_dict("records")
    assert (row["run"], row["what"], row["state"]) == (FIRST.id, "evaluation rotation", "stale")
    table = folder / "evaluation/rotation.parquet"
    table.write_bytes(b"PAR1")
    assert list(preview(results, tmp_path / "preview")["state"]) == ["damaged"]
    table.unlink()
    write_log(results, "evaluate", FIRST.id, "phasebench: error: no memory")
    (row,) = preview(results, tmp_path / "preview").to_dict("records")
    assert (row["state"], row["reason"]) == ("failed", "no memory")
    metrics = read_tables(tmp_path / "preview").metrics
    assert set(metrics["run"]) == {FIRST.id, SECOND.id}
    assert "rotation_accuracy" not in set(metrics["metric"])


def test_a_preview_of_nothing(results: Path, tmp_path: Path) -> None:
    """Also the page can be made."""
    shutil.rmtree(results / "runs")
    unfinished = preview(results, tmp_path / "preview")
    assert list(unfinished["state"]) == ["not started"] * 2
    assert progress_lines(unfinished, 2) == ["2 runs: 0 done, 2 not started"]
    build_report(tmp_path / "preview", tmp_path, tmp_path / "logs", "preview.html", "preview/")
    page = (tmp_path / "preview.html").read_text(encoding="utf-8")
    assert f"{SECOND.id}: not started" in page


def test_what_is_left_out_for_want_of_data(results: Path, tmp_path: Path) -> None:
    row = {"suite": "study", "experiment": "table_2", "dataset": "mstar", "stands_in_for": None, "runs": 60}
    row |= {"is_whole": True, "reason": "no chips below raw/mstar"}
    spec = SPEC.model_copy(update={"settings": {**SPEC.settings, "left_out": [row]}})
    aggregate_results(spec, results, tmp_path / "tables")
    (found,) = read_tables(tmp_path / "tables").left_out.to_dict("records")
    assert found == {**row, "stands_in_for": ""}
    build_report(tmp_path / "tables", tmp_path, tmp_path / "logs")
    page = (tmp_path / "benchmark.html").read_text(encoding="utf-8")
    assert "study/table_2, mstar: 60 runs: no chips below raw/mstar" in page
