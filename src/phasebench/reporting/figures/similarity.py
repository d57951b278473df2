"""Similarity of the filters of a network (Singhal, Xing and Yu 2022, Fig. 7c)."""

import numpy as np
import pandas as pd

from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS, titled
from phasebench.reporting.labels import decimal
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_GRADIENTS = {"filter_similarity_guided": "guided gradients", "filter_similarity_plain": "plain gradients"}
_SUMMARIES = {
    f"{metric}_{suffix}": f"{words}, {gradients.split()[0]}"
    for suffix, words in (("mean", "Mean"), ("mean_abs", "Mean of moduli"))
    for metric, gradients in _GRADIENTS.items()
}
_BINS = np.linspace(-1, 1, 21)
_SIMILARITY = Axis("condition", "Similarity of two filters", (-1, 1), tick_step=0.5)
_SHARE = Axis("per_cent", "Share of pairs (%)", (0, None))


def similarity_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Histograms of the similarities of all pairs of filters."""
    pairs = measurements.of_runs(tables.items, experiment, *_GRADIENTS)
    if not len(pairs):
        return None
    histograms = _histograms(pairs)
    plot = LinePlot(_SIMILARITY, (_SHARE,), present(styles, pairs["model"]), markers=False)
    panels = [
        (f"{title}, {gradients}", part[part["metric"] == metric])
        for title, part in titled(histograms, experiment)
        for metric, gradients in _GRADIENTS.items()
        if (part["metric"] == metric).any()
    ]
    return StudyFigure(
        kind="filter-similarity",
        heading="Similarity of filters",
        title="Similarity of the filters of the second convolution.",
        method="A filter's pattern is the gradient of its mean response with respect to the input, averaged over test "
        "images; the similarity of two filters is the correlation of their patterns, and 0 is no redundancy. Guided "
        "gradients drop their negative part at every non-linearity, plain ones are for comparison. Shares of pairs in "
        f"bins of width 0.1. {BANDS}",
        panels=line_panels(plot, panels),
        data=measurements.tidy(pairs, experiment, ["model", "seed", "metric", "item", "value"]),
        legend=tuple(plot.styles.values()),
        across=2,
        table=metric_table(
            measurements.of_runs(tables.metrics, experiment, *_SUMMARIES),
            experiment,
            styles,
            _SUMMARIES,
            decimal,
            title="Similarity over all pairs of filters.",
            caption="Mean ± sample standard deviation over seeds.",
        ),
    )


def _histograms(pairs: pd.DataFrame) -> pd.DataFrame:
    """Per cent of a run's pairs in each bin, at the bins' centres."""
    centres = (_BINS[:-1] + _BINS[1:]) / 2
    frames = []
    keys = ["column", "model", "seed", "metric"]
    for key, values in pairs.groupby(keys)["value"]:
        # Correlations of one leave [-1, 1] by a rounding.
        counts, _ = np.histogram(np.clip(values.dropna(), -1, 1), _BINS)
        shares = 100 * counts / max(counts.sum(), 1)
        frames.append(pd.DataFrame({**dict(zip(keys, key, strict=True)), "condition": centres, "per_cent": shares}))
    return pd.concat(frames, ignore_index=True)
