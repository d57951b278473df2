"""Cost of a study's networks beside what they achieve."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import display_names_of
from phasebench.reporting.labels import integer, rate
from phasebench.tables.read import ReportTables

_KEYS = ["dataset", "model", "device"]
_MEDIANS = ["parameters", "step_milliseconds", "image_microseconds", "peak_memory_mebibytes"]
_MOST_PANELS = 6


def cost_figure(tables: ReportTables, suite: str, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Test accuracy over training time for an image, a panel for each data set; None without runs."""
    data = _costs(tables, suite)
    if not len(data):
        return None
    names = display_names_of(tables)
    panels = [
        _panel(names(str(dataset)), part, present(styles, part["model"]))
        for dataset, part in data.groupby("dataset", sort=False)
    ]
    return StudyFigure(
        kind="cost",
        heading="Cost",
        title="Test accuracy against the time that training takes for an image.",
        method="A dot is a network on a data set: its mean accuracy over seeds and encodings, and the median over its "
        "runs of the time for an image, forward and backward, on a logarithmic axis. Times of different devices, and "
        "of jobs that shared one, do not compare. Energy was not measured.",
        panels=tuple(panels),
        data=data,
        legend=tuple(present(styles, data["model"]).values()),
        has_lines=False,
        has_markers=True,
        most_panels=_MOST_PANELS,
        table=_table(data, tables, styles),
    )


def _costs(tables: ReportTables, suite: str) -> pd.DataFrame:
    """One row for each network on a data set and device: medians over runs, and the mean accuracy."""
    runs = tables.runs[(tables.runs["suite"] == suite) & (tables.runs["images_per_second"] > 0)]
    measured = runs.assign(
        step_milliseconds=1e3 * runs["batch_size"] / runs["images_per_second"],
        image_microseconds=1e6 / runs["images_per_second"],
        peak_memory_mebibytes=runs["peak_memory_bytes"] / 2**20,
    )
    grouped = measured.groupby(_KEYS, sort=False)
    medians = grouped[_MEDIANS].median()
    return medians.assign(test_accuracy=grouped["test_accuracy"].mean(), runs=grouped.size()).reset_index()


def _panel(title: str, data: pd.DataFrame, styles: dict[str, LineStyle]) -> PanelDrawing:
    sentences = [
        f"{styles[model].label}: {100 * accuracy:.1f} % at {time:.3g} µs an image."
        for model, accuracy, time in data[["model", "test_accuracy", "image_microseconds"]].itertuples(index=False)
    ]
    summary = f"{title}: test accuracy (%) over training time for an image (µs), logarithmic"
    return PanelDrawing(title, summary, " ".join(sentences), (_painter(data, styles),))


def _painter(data: pd.DataFrame, styles: dict[str, LineStyle]) -> Painter:
    def paint(axes: Axes) -> None:
        for model, style in styles.items():
            own = data[data["model"] == model]
            axes.plot(
                own["image_microseconds"].to_numpy(),
                100 * own["test_accuracy"].to_numpy(),
                style.marker,
                color=style.colour,
                markersize=5,
                markeredgewidth=0,
            )
        axes.set(xscale="log", xlabel="Training time for an image (µs)", ylabel="Test accuracy (%)")
        axes.margins(0.1)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        times = data["image_microseconds"]
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if times.max() < 100 * times.min() else (1,)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())

    return paint


def _table(data: pd.DataFrame, tables: ReportTables, styles: dict[str, LineStyle]) -> PlainTable:
    names = display_names_of(tables)
    several = data["device"].nunique() > 1
    rows = tuple(
        (
            PlainCell(names(row["dataset"])),
            PlainCell(styles[row["model"]].label),
            *((PlainCell(row["device"]),) if several else ()),
            number_cell(row["parameters"], integer),
            number_cell(row["step_milliseconds"], rate),
            number_cell(row["image_microseconds"], rate),
            number_cell(row["peak_memory_mebibytes"], integer),
            number_cell(row["runs"], integer),
        )
        for row in data.to_dict("records")
    )
    headings = ("Parameters", "ms a step", "µs an image", "Peak memory, MiB", "Runs")
    columns = (
        Column("Data", "text"),
        Column("Model", "text", names_row=True),
        *((Column("Device", "text"),) if several else ()),
        *(Column(heading) for heading in headings),
    )
    caption = "Medians over runs; a step is a forward and a backward pass on a batch, and the update."
    return PlainTable("Cost of training.", caption, columns, rows, data)
