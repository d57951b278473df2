"""Means over the snapshots of a training with projected weights, against numbers worked out by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from support.analysed_runs import NOTHING_PUBLISHED, SPEC, finished_run

from phasebench.analysis.finished import FinishedRun
from phasebench.analysis.projections import analyse_projections
from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import FullBatchRecipe


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
    return dataclasses.replace(finished_run([0, 1, 1, 1]), spec=spec, history=history)


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
        analyse_projections([finished_run([0, 1, 1, 1])], NOTHING_PUBLISHED)
    without = dataclasses.replace(snapshots(), history=finished_run([0, 1, 1, 1]).history)
    with pytest.raises(PhasebenchError, match=f"{SPEC.id}: analyses: 'projections' needs a history with snapshots"):
        analyse_projections([without], NOTHING_PUBLISHED)


def test_the_studys_own_readings_are_summarised_in_the_same_way() -> None:
    readings = {
        "only_phase": (0.85, 0.845, 0.635),
        "only_amplitude": (0.105, 0.11, 0.1),
        "only_real": (0.56, 0.23, 0.15),
    }
    cell = {"dataset": "mnist", "encoding": "grey", "train_fraction": 0.5, "model": "perceptron_100"}
    published = pd.DataFrame(
        [
            {**cell, "metric": f"accuracy_{name}", "condition": step, "value": value}
            for name, values in readings.items()
            for step, value in zip((500.0, 1000.0, 2000.0), values, strict=True)
        ]
    )
    table = analyse_projections([snapshots()], published)
    own = table[table["model"] == "perceptron_100"]
    assert own["seed"].isna().all()
    values = own.set_index("metric")["value"]
    assert values["published_mean_accuracy_only_phase"] == pytest.approx(np.mean(readings["only_phase"]))
    assert values["published_largest_accuracy_only_amplitude"] == 0.11
    assert values["published_phase_advantage"] == pytest.approx(np.mean(readings["only_phase"]) - 0.105)
    assert values["published_phase_lead"] == pytest.approx(
        np.mean(readings["only_phase"]) - np.mean(readings["only_real"])
    )
    # The runs are what they are without readings.
    alone = analyse_projections([snapshots()], NOTHING_PUBLISHED)
    kept = table.loc[table["model"] != "perceptron_100", ["seed", "metric", "value"]]
    pd.testing.assert_frame_equal(kept, alone[["seed", "metric", "value"]], check_dtype=False)
