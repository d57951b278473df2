"""Analyses across runs, against numbers worked out by hand."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.checkout import ROOT

from phasebench.analysis.bias_variance import analyse_bias_variance, bias_and_variance
from phasebench.analysis.early_accuracy import analyse_early_accuracy
from phasebench.analysis.finished import FinishedRun, read_run
from phasebench.analysis.projections import analyse_projections
from phasebench.analysis.run import analyse_runs
from phasebench.analysis.trend import analyse_trend
from phasebench.claims.published import read_published
from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import FullBatchRecipe, Recipe, RunSpec

RECIPE = Recipe(optimizer="adamw", learning_rate=0.1, batch_size=32, steps=20, validate_every=10)
SPEC = RunSpec(
    scale="demo",
    suite="study",
    experiment="table",
    dataset="shapes",
    encoding="lab",
    model="net",
    recipe=RECIPE,
    seed=0,
)
NOTHING_PUBLISHED = pd.DataFrame(columns=["dataset", "encoding", "train_fraction", "model", "metric", "value"])
LABELS = [0, 0, 1, 1]
HISTORY = pd.DataFrame(
    {"epoch": range(1, 21), "step": range(10, 210, 10), "test_accuracy": [epoch / 20 for epoch in range(1, 21)]}
)
# Least-squares lines through the study's Table 2: slope and intercept.
TABLE_2_TRENDS = {
    "mstar_real": (-0.2013, -1.1687),
    "mstar_surreal": (-0.7397, -3.0052),
    "mstar_dcn": (-0.5671, -2.1848),
    "mstar_cds": (-0.6626, -3.0955),
}


def run(predictions: list[int], seed: int = 0, fraction: float = 1.0, accuracy: float = 0.5) -> FinishedRun:
    table = pd.DataFrame({"index": range(len(predictions)), "label": LABELS, "prediction": predictions})
    spec = SPEC.model_copy(update={"seed": seed, "train_fraction": fraction})
    return FinishedRun(spec, accuracy, 200, ("cat", "dog", "owl"), table, HISTORY)


def test_equal_networks_vary_nowhere_and_their_bias_is_their_error() -> None:
    prediction = np.array([0, 2, 1, 1, 0, 2])
    labels = np.array([0, 1, 1, 0, 0, 0])
    bias, variance = bias_and_variance(np.stack([prediction] * 5), labels)
    assert (variance == 0).all()
    assert bias.mean() == (prediction != labels).mean() == 0.5


def test_networks_that_all_differ_vary_as_much_as_can_be() -> None:
    bias, variance = bias_and_variance(np.arange(10)[:, None], np.array([0]))
    assert variance[0] == pytest.approx(1 - 1 / 10)
    # Every label is a mode; the smallest counts.
    assert bias[0] == 0


def test_bias_and_variance_by_class() -> None:
    runs = [run([0, 1, 1, 1], seed=0), run([0, 1, 2, 1], seed=1), run([0, 0, 0, 2], seed=2)]
    table = analyse_bias_variance(runs, NOTHING_PUBLISHED).set_index(["metric", "item"])["value"]
    # Modes: 0, 1, a tie of 0, 1 and 2 (so 0), and 1.
    assert table["bias", "cat"] == 0.5
    assert table["bias", "dog"] == 0.5
    assert table["variance", "cat"] == pytest.approx((0 + 1 / 3) / 2)
    assert table["variance", "dog"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    whole = analyse_bias_variance(runs, NOTHING_PUBLISHED)
    means = whole[whole["item"].isna()].set_index("metric")["value"]
    assert means["bias"] == 0.5
    assert means["variance"] == pytest.approx(1 / 3)
    assert set(whole["n"]) == {3}
    assert (whole["model"] == "net").all()
    assert (whole["dataset"] == "shapes").all()


def test_a_single_network_has_no_variance() -> None:
    assert analyse_bias_variance([run([0, 1, 1, 1])], NOTHING_PUBLISHED).empty


def test_networks_tested_on_different_samples_are_not_compared() -> None:
    other = run([0, 0, 0, 0], seed=1)
    other.predictions["index"] += 1
    with pytest.raises(PhasebenchError, match="tested on other samples"):
        analyse_bias_variance([run([0, 1, 1, 1]), other], NOTHING_PUBLISHED)


def test_trend_of_the_published_table() -> None:
    values = [value.as_row() for value in read_published(ROOT) if value.experiment == "table_2"]
    published = pd.DataFrame(values)
    table = analyse_trend([run([0, 1, 1, 1])], published).set_index(["model", "metric"])["value"]
    for model, (slope, intercept) in TABLE_2_TRENDS.items():
        assert table[model, "published_trend_slope"] == pytest.approx(slope, abs=1e-4)
        assert table[model, "published_trend_intercept"] == pytest.approx(intercept, abs=1e-4)
    # What the lines say of one per cent of the chips, where errors cannot be above 1.
    errors = [table[f"mstar_{model}", "published_trend_error"] for model in ("surreal", "dcn", "cds")]
    assert errors == pytest.approx([1.49, 1.53, 0.957], abs=5e-3)


def test_trend_of_runs_for_each_seed() -> None:
    # error = 0.2 / fraction for seed 0, 0.3 for seed 1 at any fraction.
    runs = [run([0] * 4, seed=0, fraction=f, accuracy=1 - 0.2 / f) for f in (0.25, 0.5, 1.0)]
    runs += [run([0] * 4, seed=1, fraction=f, accuracy=0.7) for f in (0.25, 0.5, 1.0)]
    table = analyse_trend(runs, NOTHING_PUBLISHED).set_index(["seed", "metric"])["value"]
    assert table[0, "trend_slope"] == pytest.approx(-1.0)
    assert table[0, "trend_intercept"] == pytest.approx(np.log(0.2))
    assert table[1, "trend_slope"] == pytest.approx(0.0, abs=1e-12)


def test_a_faultless_run_counts_as_half_an_error() -> None:
    runs = [run([0] * 4, fraction=f, accuracy=1.0) for f in (0.5, 1.0)]
    table = analyse_trend(runs, NOTHING_PUBLISHED).set_index("metric")["value"]
    assert table["trend_intercept"] == pytest.approx(np.log(0.5 / 200))


def snapshots() -> FinishedRun:
    """Eight steps, of which the even ones are snapshots; the first quarter of the training ends with step 2."""
    recipe = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=8, snapshot_every=2)
    nan = np.nan
    history = pd.DataFrame(
        {
            "step": range(1, 9),
            "train_loss": 1.0,
            "accuracy_origin": [nan, 0.9, nan, 0.9, nan, 0.9, nan, 0.9],
            "accuracy_only_phase": [nan, 0.4, nan, 0.8, nan, 0.6, nan, 0.8],
            "accuracy_only_amplitude": [nan, 0.1, nan, 0.1, nan, 0.15, nan, 0.05],
            "accuracy_only_real": [nan, 0.5, nan, 0.3, nan, 0.3, nan, 0.3],
        }
    )
    spec = SPEC.model_copy(update={"recipe": recipe})
    return dataclasses.replace(run([0, 1, 1, 1]), spec=spec, history=history)


def test_means_over_the_snapshots_after_the_first_quarter() -> None:
    table = analyse_projections([snapshots()], NOTHING_PUBLISHED).set_index("metric")
    assert set(table["seed"]) == {0}
    values = table["value"]
    assert values["mean_accuracy_only_phase"] == pytest.approx(0.65)
    assert values["mean_accuracy_only_real"] == pytest.approx(0.35)
    assert values["largest_accuracy_only_amplitude"] == 0.15
    assert values["phase_advantage"] == pytest.approx(0.65 - 0.1)
    assert values["phase_lead"] == pytest.approx(0.65 - 0.35)


def test_means_of_a_run_that_diverged_begin_where_those_of_others_do() -> None:
    finished = snapshots()
    metrics = {}
    for last in (1, 3, 5):
        diverged = dataclasses.replace(finished, history=finished.history[finished.history["step"] <= 2 * last + 1])
        values = analyse_projections([diverged], NOTHING_PUBLISHED).set_index("metric")["value"]
        metrics[last] = values["mean_accuracy_only_phase"]
    assert metrics[1] == pytest.approx(0.4)
    assert metrics[3] == pytest.approx(0.6)
    late = dataclasses.replace(finished, history=finished.history.assign(step=lambda table: table["step"] / 8))
    values = analyse_projections([late], NOTHING_PUBLISHED).set_index("metric")["value"]
    assert values.filter(regex="^mean_").isna().all()
    assert np.isnan(values["phase_lead"])
    assert values["largest_accuracy_only_phase"] == 0.8


def test_signs_and_absolute_values_are_phases_and_amplitudes() -> None:
    names = {"accuracy_only_phase": "accuracy_only_sign", "accuracy_only_amplitude": "accuracy_only_absolute"}
    finished = snapshots()
    real = dataclasses.replace(
        finished, history=finished.history.drop(columns="accuracy_only_real").rename(columns=names)
    )
    values = analyse_projections([real], NOTHING_PUBLISHED).set_index("metric")["value"]
    assert values["phase_advantage"] == values["phase_lead"] == pytest.approx(0.65 - 0.1)


def test_a_run_without_snapshots_is_named() -> None:
    with pytest.raises(
        PhasebenchError, match=f"{SPEC.id}: analyses: 'projections' needs a recipe with procedure: full"
    ):
        analyse_projections([run([0, 1, 1, 1])], NOTHING_PUBLISHED)
    without = dataclasses.replace(snapshots(), history=run([0, 1, 1, 1]).history)
    with pytest.raises(PhasebenchError, match=f"{SPEC.id}: analyses: 'projections' needs a history with snapshots"):
        analyse_projections([without], NOTHING_PUBLISHED)


def write(folder: Path, finished: FinishedRun) -> None:
    run_folder = folder / "runs" / finished.spec.id
    run_folder.mkdir(parents=True)
    record = {"spec": finished.spec.model_dump(mode="json"), "test_accuracy": 0.5, "n_test": 4}
    (run_folder / "run.json").write_text(json.dumps(record))
    finished.predictions.to_parquet(run_folder / "predictions.parquet")
    finished.history.to_parquet(run_folder / "history.parquet")
    (folder / "shapes.json").write_text(json.dumps({"classes": list(finished.classes)}))


def test_from_files_to_a_file(tmp_path: Path) -> None:
    runs = [run([0, 1, 1, 1], seed=0), run([0, 1, 2, 1], seed=1)]
    for finished in runs:
        write(tmp_path, finished)
    analyse_runs("bias_variance", [r.spec.id for r in runs], [], tmp_path, tmp_path, tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert set(table["item"].dropna()) == {"cat", "dog"}
    assert table["seed"].isna().all()
    assert table["stands_in_for"].isna().all()
    assert table["value"].between(0, 1).all()


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write(tmp_path, run([0, 1, 1, 1]))
    analyse_runs("trend", [SPEC.id], [], tmp_path, tmp_path, tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table.empty
    assert {"model", "seed", "metric", "item", "value"} <= set(table.columns)


@pytest.mark.parametrize("file", ["run.json", "predictions.parquet", "history.parquet"])
def test_a_damaged_run_is_named(tmp_path: Path, file: str) -> None:
    write(tmp_path, run([0, 1, 1, 1]))
    folder = tmp_path / "runs" / SPEC.id
    (folder / file).write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=rf"{file}: not a complete"):
        read_run(folder, tmp_path)


def test_an_unknown_analysis_names_the_known() -> None:
    with pytest.raises(
        PhasebenchError, match="'nope' is not known; choose one of bias_variance, early_accuracy, projections, trend"
    ):
        analyse_runs("nope", [], [], Path(), Path(), Path("x"))


def test_early_accuracy_is_that_of_the_first_tenth_of_the_epochs() -> None:
    runs = [run([0, 0, 1, 1], seed=seed) for seed in (0, 1)]
    table = analyse_early_accuracy(runs, NOTHING_PUBLISHED)
    # Epochs 1 and 2 of 20.
    assert table["value"].tolist() == pytest.approx([0.075, 0.075])
    assert (table["seed"].tolist(), set(table["metric"])) == ([0, 1], {"early_accuracy"})
    short = dataclasses.replace(runs[0], history=HISTORY.iloc[:3])
    assert analyse_early_accuracy([short], NOTHING_PUBLISHED)["value"].tolist() == [0.05]
    blind = dataclasses.replace(runs[0], history=HISTORY[["epoch"]])
    assert not len(analyse_early_accuracy([blind], NOTHING_PUBLISHED))
