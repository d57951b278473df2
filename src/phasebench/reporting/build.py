"""The report: reads the aggregated tables, writes the page, its figures and its tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.errors import PhasebenchError
from phasebench.files import write_text
from phasebench.reporting import accuracy, figures, rotation, summary, svg
from phasebench.reporting.accuracy import AccuracyTable
from phasebench.reporting.arrangement import Experiment, arrange
from phasebench.reporting.inputs import ReportTables, read_tables
from phasebench.reporting.page import Download, FigureBlock, Panel, RunRow, Section, data_address, render
from phasebench.reporting.palette import ModelStyle, model_styles

_ROTATION_RANGE = figures.Axis("condition", "Phases rotated within ±R (degrees)", (-4, 184), tick_step=45)
_ROTATION_ACCURACY = figures.Axis("per_cent", "Test accuracy (%)", (0, 100), tick_step=20)
_STEP = figures.Axis("step", "Training step")
_VALIDATION_ACCURACY = figures.Axis("per_cent", "Validation accuracy (%)", (0, 100), tick_step=20)
_TRAINING_LOSS = figures.Axis("train_loss", "Training loss", logarithmic=True)


def build_report(tables: Path, output: Path) -> None:
    """Write ``benchmark.html``, ``figures/*.svg`` and ``tables/*.{csv,html}`` into a folder.

    The same tables give the same bytes.

    Parameters
    ----------
    tables : Path
        Folder of the aggregated Parquet tables.
    output : Path
        Folder to write into; each file appears whole or not at all, the page last.

    Raises
    ------
    PhasebenchError
        A table is missing, cut or lacks a column, or a file cannot be written.
    """
    _Report(read_tables(tables), output).write()


class _Report:
    """One build: what the sections share, and where files go."""

    def __init__(self, tables: ReportTables, output: Path) -> None:
        self.tables = tables
        self.output = output
        self.experiments, self.not_run = arrange(tables)
        self.accuracies = [accuracy.accuracy_table(tables, experiment) for experiment in self.experiments]
        self.labels = {row.model: row.label for table in self.accuracies for row in table.rows}
        measured = {row.model: row.label for table in self.accuracies for row in table.rows if row.was_run}
        self.styles = model_styles(measured.items())
        self.runs = self._run_rows()
        self.common: dict[str, Any] = {
            "benchmark": tables.benchmark.iloc[0].to_dict(),
            "labels": self.labels,
            "anchors": {row.record["run"]: row.anchor for row in self.runs},
            "substitutes": summary.substitutes(self.experiments),
        }

    def write(self) -> None:
        # A workflow waits for the folder, and without rotations and histories there is no figure to make it.
        _make_folder(self.output / "figures")
        sections = [self._section(table) for table in self.accuracies]
        runs_downloads = self._table("runs", self.tables.runs, "runs", rows=self.runs)
        page = render(
            "benchmark.html.j2",
            **self.common,
            facts=summary.run_facts(self.tables),
            findings=summary.findings(
                self.accuracies, [(section.experiment, list(section.rotation)) for section in sections], self.labels
            ),
            not_run=self.not_run,
            sections=sections,
            runs=self.runs,
            runs_downloads=runs_downloads,
            inputs=self.tables.digests,
            commits=sorted(set(self.tables.runs["git_commit"]) - {""}),
        )
        write_text(self.output / "benchmark.html", page)

    def _section(self, table: AccuracyTable) -> Section:
        experiment = table.experiment
        slug = experiment.slug
        measurements = rotation.rotation_measurements(self.tables, experiment)
        rows = rotation.rotation_rows(measurements, experiment)
        rotation_downloads: tuple[Download, ...] = ()
        if rows:
            frame = rotation.tidy(rows, experiment)
            rotation_downloads = self._table(f"{slug}-rotation", frame, "rotation", experiment=experiment, rows=rows)
        history = self.tables.history[self.tables.history["run"].isin(experiment.setting_of)]
        history = history.assign(
            column=experiment.column_of(history["run"]), per_cent=100 * history["validation_accuracy"]
        )
        measurements = measurements.assign(per_cent=100 * measurements["value"])
        return Section(
            experiment,
            table,
            self._table(f"{slug}-accuracy", accuracy.tidy(table), "accuracy", table=table),
            tuple(rows),
            rotation_downloads,
            self._figure(f"{slug}-rotation", experiment, measurements, _ROTATION_RANGE, [_ROTATION_ACCURACY]),
            self._figure(f"{slug}-training", experiment, history, _STEP, [_VALIDATION_ACCURACY, _TRAINING_LOSS]),
        )

    def _table(self, name: str, frame: pd.DataFrame, kind: str, **context: object) -> tuple[Download, ...]:
        # A file that is passed on alone must still say what scale it is of.
        scale = self.common["benchmark"]["scale"]
        text = frame.assign(scale=scale)[["scale", *frame.columns]].to_csv(index=False, lineterminator="\n")
        write_text(self.output / "tables" / f"{name}.csv", text)
        # Links to runs lead nowhere outside the page.
        alone = render("table.html.j2", **{**self.common, "anchors": {}}, kind=kind, title=name, **context)
        write_text(self.output / "tables" / f"{name}.html", alone)
        return (Download("CSV", f"tables/{name}.csv", data_address(text)), Download("HTML", f"tables/{name}.html"))

    def _figure(
        self,
        name: str,
        experiment: Experiment,
        data: pd.DataFrame,
        x: figures.Axis,
        ys: Sequence[figures.Axis],
    ) -> FigureBlock | None:
        chosen = [
            (experiment.title(experiment.settings[column]), data[data["column"] == column])
            for column in sorted(data["column"].unique())
        ]
        if not chosen:
            return None
        markers = x is _ROTATION_RANGE
        mark = self.common["benchmark"]["label"]
        whole = figures.draw_panels(chosen, x, ys, self.styles, markers=markers, labelled=True, mark=mark)
        write_text(self.output / "figures" / f"{name}.svg", svg.to_svg(whole))
        panels = []
        for index, (title, part) in enumerate(chosen):
            drawing = figures.draw_panels([(title, part)], x, ys, self.styles, markers=markers, labelled=False)
            text = svg.to_inline_svg(drawing, f"{name}-{index}", *_description(title, part, x, ys, self.styles))
            panels.append(Panel(title, text))
        drawn = set(data["model"])
        legend = tuple(style for model, style in self.styles.items() if model in drawn)
        return FigureBlock(tuple(panels), legend, (Download("SVG", f"figures/{name}.svg"),))

    def _run_rows(self) -> list[RunRow]:
        records: dict[str, dict[Any, Any]] = {record["run"]: record for record in self.tables.runs.to_dict("records")}
        rows: list[RunRow] = []
        for experiment in self.experiments:
            ordered = sorted(
                experiment.setting_of,
                key=lambda run: (
                    experiment.settings.index(experiment.setting_of[run]),
                    experiment.models.index(records[run]["model"]),
                    records[run]["seed"],
                ),
            )
            for run in ordered:
                anchor = f"run-{len(rows) + 1}"
                rows.append(RunRow(anchor, experiment, self.labels[records[run]["model"]], records[run]))
        return rows


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be made: {error.strerror}") from error


def _description(
    title: str, data: pd.DataFrame, x: figures.Axis, ys: Sequence[figures.Axis], styles: dict[str, ModelStyle]
) -> tuple[str, str]:
    """Title and long description of a panel: the ends of every line in numbers."""
    quantities = " and ".join(y.label.lower() for y in ys)
    sentences = []
    for y in ys:
        means = data.dropna(subset=[y.column]).groupby(["model", x.column])[y.column].mean()
        for model in (model for model in styles if model in set(means.index.get_level_values(0))):
            line = means[model]
            ends = f"{line.iloc[0]:.3g} at {line.index[0]:g}, {line.iloc[-1]:.3g} at {line.index[-1]:g}"
            sentences.append(f"{styles[model].label}: {y.label.lower()} {ends}.")
    return f"{title}: {quantities} over {x.label.lower()}", " ".join(sentences)
