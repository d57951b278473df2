"""Test error as a power of the training set's size (Singhal, Xing and Yu 2022, Fig. 7a)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from phasebench.common.statistics import Summary, summarise
from phasebench.reporting import measurements
from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell, summary_cell
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import TEST_ACCURACY, Experiment
from phasebench.reporting.labels import decimal
from phasebench.specs.run import coordinates
from phasebench.tables.read import ReportTables

_QUANTITIES = ("slope", "intercept")
# The study draws its lines on to sizes that it did not measure.
_SMALLEST_FRACTION = 0.01
# Where the axis starts if nothing was ever wrong.
_SMALLEST_ERROR = 0.01


@dataclass(frozen=True)
class _Line:
    """A model's fitted lines on one kind of data; ``published`` maps a quantity to the study's number or NaN."""

    dataset: str
    study_dataset: str
    encoding: str
    model: str
    title: str
    measured: dict[str, Summary]
    published: dict[str, float]


def trend_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Error over training fraction, ours and the study's, with the fitted lines."""
    lines = _lines(tables, experiment)
    if not lines:
        return None
    ours, printed = _our_errors(tables, experiment), _printed_errors(tables, experiment)
    drawn = present(styles, [line.model for line in lines])
    # The panels share their axes.
    errors = pd.concat([ours["error"], printed["error"]])
    lowest = min(errors[errors > 0], default=_SMALLEST_ERROR)
    panels = []
    for title in dict.fromkeys(line.title for line in lines):
        own = [line for line in lines if line.title == title]
        first = own[0]
        points = ours[(ours["dataset"] == first.dataset) & (ours["encoding"] == first.encoding)]
        fits = {line.model: {name: line.measured[name].mean for name in _QUANTITIES} for line in own}
        panels.append(_panel(f"Measured: {title}", points, fits, drawn, lowest))
        points = printed[(printed["dataset"] == first.study_dataset) & (printed["encoding"] == first.encoding)]
        if len(points):
            name = _title(experiment, first.study_dataset, first.encoding)
            fits = {line.model: line.published for line in own}
            panels.append(_panel(f"Published: {name}", points, fits, drawn, lowest))
    data = pd.concat([ours.assign(source="measured"), printed.assign(source="published")], ignore_index=True)
    columns = ["source", *coordinates("suite", "experiment", "stands_in_for", "variant"), "error"]
    keys = {"suite": experiment.suite, "experiment": experiment.name}
    return StudyFigure(
        kind="trend",
        heading="Error over training set size",
        title="Test error over the part of the training set that was used, both on logarithmic axes.",
        method="Points are means over seeds, bars one sample standard deviation. Lines are least-squares fits of the "
        "error's logarithm over that of the fraction, with the mean slope and intercept over seeds; they are drawn on "
        "to a hundredth of the training set. The published panel fits the accuracies that the study printed.",
        panels=tuple(panels),
        data=data[columns].assign(**keys)[[*keys, *columns]].astype({"seed": "Int64"}),
        legend=tuple(drawn.values()),
        has_markers=True,
        across=2,
        panel_size=(3.4, 2.8),
        table=_table(lines, experiment, styles),
    )


def _title(experiment: Experiment, dataset: str, encoding: str) -> str:
    return f"{experiment.display_names(dataset)}, {experiment.display_names(encoding)}"


def _lines(tables: ReportTables, experiment: Experiment) -> list[_Line]:
    analyses = tables.analyses
    own = (analyses["suite"] == experiment.suite) & (analyses["experiment"] == experiment.name)
    trend = analyses[own & (analyses["analysis"] == "trend")]
    measured = trend[trend["metric"].isin([f"trend_{name}" for name in _QUANTITIES])]
    keys = list(coordinates("suite", "experiment", "variant", "train_fraction", "seed"))
    lines = []
    for key, rows in measured.groupby(keys, sort=False):
        dataset, meant, encoding, model = map(str, key)
        study = meant or dataset
        same = (trend["dataset"] == study) & (trend["encoding"] == encoding) & (trend["model"] == model)
        printed = trend[same].groupby("metric")["value"].first()
        lines.append(
            _Line(
                *(dataset, study, encoding, model, _title(experiment, dataset, encoding)),
                {name: summarise(rows[rows["metric"] == f"trend_{name}"]["value"]) for name in _QUANTITIES},
                {name: float(printed.get(f"published_trend_{name}", np.nan)) for name in _QUANTITIES},
            )
        )
    datasets = list(dict.fromkeys((line.dataset, line.encoding) for line in lines))
    known = [line for line in lines if line.model in experiment.models]
    return sorted(
        known,
        key=lambda line: (datasets.index((line.dataset, line.encoding)), experiment.models.index(line.model)),
    )


def _our_errors(tables: ReportTables, experiment: Experiment) -> pd.DataFrame:
    data = measurements.of_runs(tables.metrics, experiment, TEST_ACCURACY)
    frame = measurements.tidy(data, experiment, ["model", "seed", "value"])
    return frame.assign(error=1 - frame["value"])


def _printed_errors(tables: ReportTables, experiment: Experiment) -> pd.DataFrame:
    frame = tables.published
    own = (frame["suite"] == experiment.suite) & (frame["experiment"] == experiment.name)
    chosen = frame[own & (frame["metric"] == TEST_ACCURACY)]
    return chosen.assign(error=1 - chosen["value"], seed=np.nan)


def _panel(
    title: str, points: pd.DataFrame, fits: dict[str, dict[str, float]], styles: dict[str, LineStyle], lowest: float
) -> PanelDrawing:
    sentences = [
        f"{style.label}: slope {fits[model]['slope']:.3g}, intercept {fits[model]['intercept']:.3g}."
        for model, style in styles.items()
        if model in fits and fits[model]["slope"] == fits[model]["slope"]
    ]
    summary = f"{title}: test error (%) over part of the training set (%), logarithmic axes"
    return PanelDrawing(title, summary, " ".join(sentences), (_painter(points, fits, styles, lowest),))


def _painter(
    points: pd.DataFrame, fits: dict[str, dict[str, float]], styles: dict[str, LineStyle], lowest: float
) -> Painter:
    def paint(axes: Axes) -> None:
        axes.set(xscale="log", yscale="log")
        for model, style in styles.items():
            errors = points[points["model"] == model].groupby("train_fraction")["error"].agg(["mean", "std"])
            # Nothing lies at the logarithm of no error at all.
            errors = 100 * errors[errors["mean"] > 0]
            spread = errors["std"].fillna(0).clip(upper=0.95 * errors["mean"])
            axes.errorbar(
                100 * errors.index.to_numpy(),
                errors["mean"].to_numpy(),
                spread.to_numpy(),
                fmt=style.marker,
                color=style.colour,
                elinewidth=0.8,
                markeredgewidth=0,
                markersize=4.5,
            )
            fit = fits.get(model)
            if fit and np.isfinite(list(fit.values())).all():
                ends = np.array([min(_SMALLEST_FRACTION, points["train_fraction"].min()), 1.0])
                heights = 100 * np.exp(fit["intercept"] + fit["slope"] * np.log(ends))
                (line,) = axes.plot(100 * ends, heights, color=style.colour, linewidth=1.2)
                line.set_linestyle((0, style.dashes) if style.dashes else "solid")
        axes.set(
            xlabel="Part of the training set (%)", ylabel="Test error (%)", xlim=(0.9, 115), ylim=(60 * lowest, 180)
        )
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())

    return paint


def _table(lines: list[_Line], experiment: Experiment, styles: dict[str, LineStyle]) -> PlainTable:
    columns = (
        Column("Data", "text"),
        Column("Model", "text", names_row=True),
        *(Column(heading) for heading in ("Slope", "published", "Intercept", "published", "Seeds")),
    )
    rows = tuple(
        (
            PlainCell(line.title),
            PlainCell(styles[line.model].label),
            summary_cell(line.measured["slope"], decimal),
            number_cell(line.published["slope"], decimal),
            summary_cell(line.measured["intercept"], decimal),
            number_cell(line.published["intercept"], decimal),
            number_cell(line.measured["slope"].n, "{:.0f}".format),
        )
        for line in lines
    )
    return PlainTable(
        "Fitted lines, measured and published.",
        "Natural logarithms of fractions: slope and intercept of ln(error) over ln(fraction). Ours are means ± sample "
        "standard deviations over seeds; published are fits to the study's accuracies.",
        columns,
        rows,
        _frame(lines, experiment),
    )


def _frame(lines: list[_Line], experiment: Experiment) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "suite": experiment.suite,
            "experiment": experiment.name,
            "dataset": line.dataset,
            "stands_in_for": "" if line.study_dataset == line.dataset else line.study_dataset,
            "encoding": line.encoding,
            "model": line.model,
            "quantity": name,
            "n": line.measured[name].n,
            "mean": line.measured[name].mean,
            "std": line.measured[name].std,
            "interval_low": line.measured[name].low,
            "interval_high": line.measured[name].high,
            "published": line.published[name],
        }
        for line in lines
        for name in _QUANTITIES
    )
