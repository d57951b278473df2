"""Power laws of the error over the size of the training set, of the published table and of runs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.analysed_runs import NOTHING_PUBLISHED, finished_run
from support.checkout import ROOT

from phasebench.analysis.trend import analyse_trend
from phasebench.claims.published import read_published
from phasebench.specs.run import ExternalModel

# Least-squares lines through the study's Table 2: slope and intercept.
TABLE_2_TRENDS = {
    "mstar_real": (-0.2013, -1.1687),
    "mstar_surreal": (-0.7397, -3.0052),
    "mstar_dcn": (-0.5671, -2.1848),
    "mstar_cds": (-0.6626, -3.0955),
}


def test_trend_of_the_published_table() -> None:
    values = [value.as_row() for value in read_published(ROOT) if value.experiment == "table_2"]
    published = pd.DataFrame(values)
    table = analyse_trend([finished_run([0, 1, 1, 1])], published).set_index(["model", "metric"])["value"]
    for model, (slope, intercept) in TABLE_2_TRENDS.items():
        assert table[model, "published_trend_slope"] == pytest.approx(slope, abs=1e-4)
        assert table[model, "published_trend_intercept"] == pytest.approx(intercept, abs=1e-4)
    # What the lines say of one per cent of the chips, where errors cannot be above 1.
    errors = [table[f"mstar_{model}", "published_trend_error"] for model in ("surreal", "dcn", "cds")]
    assert errors == pytest.approx([1.49, 1.53, 0.957], abs=5e-3)


def test_trend_of_runs_for_each_seed() -> None:
    # error = 0.2 / fraction for seed 0, 0.3 for seed 1 at any fraction.
    runs = [finished_run([0] * 4, seed=0, fraction=f, accuracy=1 - 0.2 / f) for f in (0.25, 0.5, 1.0)]
    runs += [finished_run([0] * 4, seed=1, fraction=f, accuracy=0.7) for f in (0.25, 0.5, 1.0)]
    table = analyse_trend(runs, NOTHING_PUBLISHED).set_index(["seed", "metric"])["value"]
    assert table[0, "trend_slope"] == pytest.approx(-1.0)
    assert table[0, "trend_intercept"] == pytest.approx(np.log(0.2))
    assert table[1, "trend_slope"] == pytest.approx(0.0, abs=1e-12)


def test_a_faultless_run_counts_as_half_an_error() -> None:
    runs = [finished_run([0] * 4, fraction=f, accuracy=1.0) for f in (0.5, 1.0)]
    table = analyse_trend(runs, NOTHING_PUBLISHED).set_index("metric")["value"]
    assert table["trend_intercept"] == pytest.approx(np.log(0.5 / 200))


def test_a_lead_is_over_the_best_other_network_of_the_same_size_and_seed() -> None:
    accuracies = {("a", 0.5): 0.9, ("b", 0.5): 0.6, ("c", 0.5): 0.7, ("a", 1.0): 0.92, ("b", 1.0): 0.95}
    runs = [finished_run([0] * 4, model=m, fraction=f, accuracy=value) for (m, f), value in accuracies.items()]
    table = analyse_trend(runs, NOTHING_PUBLISHED)
    leads = table[table["metric"] == "lead"].set_index(["model", "train_fraction"])["value"].to_dict()
    expected = {("a", 0.5): 0.2, ("b", 0.5): -0.3, ("c", 0.5): -0.2, ("a", 1.0): -0.03, ("b", 1.0): 0.03}
    assert leads == {key: pytest.approx(value) for key, value in expected.items()}
    # A network from outside has a lead, and changes nobody else's.
    external = ExternalModel(target="a_file.py:Net", domain="complex", input_shape=(1, 8, 8))
    outside = finished_run([0] * 4, model="z", fraction=0.5, accuracy=0.95)
    outside = replace(outside, spec=outside.spec.model_copy(update={"external": external}))
    table = analyse_trend([*runs, outside], NOTHING_PUBLISHED)
    beside = table[table["metric"] == "lead"].set_index(["model", "train_fraction"])["value"].to_dict()
    assert beside == {**leads, ("z", 0.5): pytest.approx(0.05)}
