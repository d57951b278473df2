"""Training overhead of networks over the ones they are compared with (Cakaj, Mehnert and Yang 2023, Table VI)."""

import math

import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell
from phasebench.reporting.drawing.palette import COLOURS, LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment, Setting
from phasebench.reporting.labels import NONE, per_cent, rate
from phasebench.tables.read import ReportTables

_METRIC = "training_overhead"
_WAYS = {"": "as trained", "fft": "with Fourier transforms"}
_KEYS = ["column", "model", "item"]
_ROW_HEIGHT = 0.32


def overhead_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Our overheads with their quartiles beside the published ones, a panel for each setting."""
    rows = measurements.of_cells(tables.analyses, experiment, "overhead")
    if not len(rows):
        return None
    data = rows.pivot(index=[*_KEYS, "n"], columns="metric", values="value").reset_index()
    order = list(present(styles, data["model"]))
    data = data.assign(
        place=data["model"].map({model: place for place, model in enumerate(order)}),
        label=[_label(styles, model, item) for model, item in zip(data["model"], data["item"], strict=True)],
        published=[
            _published(tables, experiment, experiment.settings[column], model)
            for column, model in zip(data["column"], data["model"], strict=True)
        ],
    ).sort_values(["column", "place", "item"], ignore_index=True)
    panels = [_panel(experiment.title(setting), part) for setting, part in measurements.by_setting(data, experiment)]
    largest = data.groupby("column").size().max()
    return StudyFigure(
        kind="overhead",
        heading="Training time",
        title="How much longer a training step takes than that of the network without a second normalisation.",
        method="A step on random images that are on the device already; the networks take turns in one job, two steps "
        "each not counted. Dots and lines: median and quartiles over rounds of how much longer the step was; crosses: "
        "the study, which computed its layer with Fourier transforms. The closed form needs none.",
        panels=tuple(panels),
        data=measurements.tidy(
            data,
            experiment,
            (
                *("model", "item", "n", _METRIC, f"{_METRIC}_low", f"{_METRIC}_high"),
                *("step_seconds", "baseline_seconds", "published"),
            ),
        ),
        across=1,
        panel_size=(6.4, 1.0 + _ROW_HEIGHT * largest),
        table=_table(data, experiment),
    )


def _label(styles: dict[str, LineStyle], model: str, item: str) -> str:
    return styles[model].label + (f", {_WAYS.get(item, item)}" if item else "")


def _published(tables: ReportTables, experiment: Experiment, setting: Setting, model: str) -> float:
    """The study's overhead as a share; NaN if it gives none."""
    frame = tables.published
    found = frame[
        (frame["suite"] == experiment.suite)
        & (frame["experiment"] == experiment.name)
        & (frame["dataset"] == setting.study_dataset)
        & (frame["model"] == model)
        & (frame["metric"] == _METRIC)
    ]["value"]
    return float(found.iloc[0]) if len(found) else math.nan


def _panel(title: str, data: pd.DataFrame) -> PanelDrawing:
    sentences = " ".join(
        f"{label}: {per_cent(value, 1)} %." for label, value in zip(data["label"], data[_METRIC], strict=True)
    )
    return PanelDrawing(title, f"{title}: training time over that of the baseline", sentences, (_painter(data),))


def _painter(data: pd.DataFrame) -> Painter:
    def paint(axes: Axes) -> None:
        for place, row in enumerate(data.to_dict("records")):
            axes.plot(
                [100 * row[f"{_METRIC}_low"], 100 * row[f"{_METRIC}_high"]], [place, place], color=COLOURS[0], alpha=0.5
            )
            axes.plot(100 * row[_METRIC], place, "o", color=COLOURS[0])
            axes.plot(100 * row["published"], place, "x", color=COLOURS[1])
        axes.set_yticks(range(len(data)), list(data["label"]))
        axes.invert_yaxis()
        axes.set(xlabel="Longer training step (%)")
        axes.grid(axis="x")
        axes.set_axisbelow(True)

    return paint


def _table(data: pd.DataFrame, experiment: Experiment) -> PlainTable:
    def percent(value: float) -> str:
        return per_cent(value, 1)

    rows = tuple(
        (
            PlainCell(experiment.title(experiment.settings[row["column"]])),
            PlainCell(row["label"]),
            number_cell(1000 * row["baseline_seconds"], rate),
            number_cell(1000 * row["step_seconds"], rate),
            number_cell(
                row[_METRIC],
                percent,
                f"quartiles {percent(row[f'{_METRIC}_low'])} and "
                f"{percent(row[f'{_METRIC}_high'])} %, {row['n']:.0f} rounds",
            ),
            number_cell(row["published"], lambda value: NONE if math.isnan(value) else per_cent(value, 0)),
        )
        for row in data.to_dict("records")
    )
    columns = (
        Column("Data", "text"),
        Column("Model", "text", names_row=True),
        *(Column(heading) for heading in ("Baseline, ms a step", "Ours, ms a step", "Overhead, %", "Published, %")),
    )
    frame = measurements.tidy(data, experiment, ["model", "item", "n", _METRIC, "published"])
    return PlainTable(
        "Training time overhead in per cent.", "Medians over rounds; quartiles on hovering.", columns, rows, frame
    )
