"""Published numbers against measured ones: the picture of a study on the first screen."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phasebench.common.statistics import FRACTION, Summary, summarise
from phasebench.common.wording import counted
from phasebench.reporting import measurements
from phasebench.reporting.drawing.palette import COLOURS
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, draw_alone
from phasebench.reporting.drawing.svg import INK
from phasebench.reporting.experiments import TEST_ACCURACY
from phasebench.reporting.labels import per_cent
from phasebench.reporting.tables.accuracy import AccuracyTable
from phasebench.tables.read import ReportTables

_SIZE = (3.1, 2.7)
_METHOD = "measured against published accuracy (%); on the diagonal both are equal"


@dataclass(frozen=True)
class Dot:
    """A published number beside ours; fractions.

    Attributes
    ----------
    label
        The cell in words: model, data and what was measured.
    published, published_std
        The study's number and its standard deviation over seeds, NaN for none.
    ours
        Summary over seeds.
    on_other_data
        Measured on data that stand in for the study's.
    """

    label: str
    published: float
    published_std: float
    ours: Summary
    on_other_data: bool

    @property
    def words(self) -> str:
        """The dot in a sentence."""
        spread = f" ± {per_cent(self.ours.std)}" if self.ours.n > 1 else ""
        where = ", on stand-in data" if self.on_other_data else ""
        return f"{self.label}: {per_cent(self.ours.mean)}{spread} %{where}; published {per_cent(self.published)} %"


def dots_of(tables: ReportTables, accuracies: list[AccuracyTable]) -> list[Dot]:
    """Every accuracy of some tables, and every further one of their experiments, that a study printed."""
    return [dot for table in accuracies for dot in (*_of_cells(table), *_of_metrics(tables, table))]


def agreement_panel(name: str, dots: list[Dot]) -> PanelDrawing:
    """The dots of a study, with the intervals of both numbers, about the diagonal."""
    own = [dot for dot in dots if not dot.on_other_data]
    sentences = [f"{counted(len(own), 'number')} measured on the study's data"]
    if own:
        near = sum(abs(dot.ours.mean - dot.published) <= 0.01 for dot in own)
        farthest = max(own, key=lambda dot: abs(dot.ours.mean - dot.published))
        sentences += [f"{near} within one point of the published one", f"farthest: {farthest.words}"]
    if len(own) < len(dots):
        sentences.append(f"{len(dots) - len(own)} on stand-in data")
    return PanelDrawing(name, f"{name}: {_METHOD}", "; ".join(sentences) + ".", (_painter(dots),))


def draw_agreement(panel: PanelDrawing) -> Figure:
    """The panel as the first screen shows it."""
    return draw_alone(panel, _SIZE)


def notes(dots: list[Dot]) -> dict[str, str]:
    """Id of a dot in the drawing -> the dot in words, which a browser shows on hovering."""
    return {f"dot-{number}": dot.words for number, dot in enumerate(dots)}


def _of_cells(table: AccuracyTable) -> Iterator[Dot]:
    for row, cell in table.cells:
        if cell.summary.n and not math.isnan(cell.published):
            label = f"{row.label}, {table.experiment.title(cell.setting)}"
            yield Dot(label, cell.published, cell.published_std, cell.summary, cell.setting.is_substitute)


def _of_metrics(tables: ReportTables, table: AccuracyTable) -> Iterator[Dot]:
    experiment, metrics = table.experiment, tables.metrics
    labels = {row.model: row.label for row in table.rows}
    diverged = measurements.diverged_runs(tables.runs)
    chosen = metrics[
        metrics["run"].isin(set(experiment.setting_of) - diverged)
        & metrics["published"].notna()
        & metrics["metric"].str.contains("accuracy")
        & (metrics["metric"] != TEST_ACCURACY)
    ]
    chosen = chosen.assign(column=experiment.column_of(chosen["run"]))
    key: Any
    for key, part in chosen.groupby(["column", "model", "metric", "condition"], dropna=False, sort=False):
        column, model, metric, condition = key
        setting = experiment.settings[column]
        what = metric.replace("accuracy_", "").replace("_", " ")
        at = "" if math.isnan(condition) else f" at {condition:g}"
        label = f"{labels[model]}, {experiment.title(setting)}, {what}{at}"
        yield Dot(
            label, float(part["published"].iloc[0]), math.nan, summarise(part["value"], FRACTION), setting.is_substitute
        )


def _painter(dots: list[Dot]) -> Painter:
    def paint(axes: Axes) -> None:
        values = [100 * value for dot in dots for value in (dot.published, dot.ours.mean)]
        pad = 0.06 * (max(values) - min(values)) + 1
        ends = (min(values) - pad, max(values) + pad)
        axes.plot(ends, ends, color=INK, linewidth=0.7, alpha=0.6)
        for number, dot in enumerate(dots):
            _paint_dot(axes, dot, f"dot-{number}")
        axes.set(xlim=ends, ylim=ends, xlabel="Published (%)", ylabel="Measured here (%)")
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)

    return paint


def _paint_dot(axes: Axes, dot: Dot, name: str) -> None:
    colour = COLOURS[5] if dot.on_other_data else COLOURS[0]
    x, y = 100 * dot.published, 100 * dot.ours.mean
    if dot.ours.n > 1:
        axes.plot([x, x], [100 * dot.ours.low, 100 * dot.ours.high], color=colour, linewidth=0.9, alpha=0.6)
    if not math.isnan(dot.published_std):
        half = 100 * dot.published_std
        axes.plot([x - half, x + half], [y, y], color=colour, linewidth=0.9, alpha=0.6)
    axes.plot(
        x,
        y,
        "o",
        color=colour,
        markersize=4.2,
        markeredgewidth=0.9,
        markerfacecolor="none" if dot.on_other_data else colour,
        gid=name,
    )
