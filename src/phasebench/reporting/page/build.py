"""The report: reads the aggregated tables, writes the page, its figures and its tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_text
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing import svg
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.drawing.panels import StudyFigure, draw, draw_panel
from phasebench.reporting.experiments import Experiment, arrange
from phasebench.reporting.figures import registry as figures
from phasebench.reporting.page import summary
from phasebench.reporting.page.page import (
    Download,
    FigureBlock,
    Panel,
    Section,
    TableBlock,
    data_address,
    render,
)
from phasebench.reporting.tables import accuracy, properties, rotation, significance, verdicts
from phasebench.reporting.tables.accuracy import AccuracyTable
from phasebench.reporting.tables.runs import Shared, address, collect_runs, relative_folder, shared_frame
from phasebench.tables.read import read_tables

STUDIES_FOLDER = Path("docs/studies")
"""Of the repository, in which reports are built."""


def build_report(tables: Path, output: Path, logs: Path, page: str = "benchmark.html", beside: str = "") -> None:
    """Write ``benchmark.html``, ``figures/*.svg`` and ``tables/*.{csv,html}`` into a folder.

    The same tables give the same bytes.

    Parameters
    ----------
    tables : Path
        Folder of the aggregated Parquet tables, beside that of the runs, which the page links to.
    output : Path
        Folder to write into; each file appears whole or not at all, the page last.
    logs : Path
        Folder of the logs, which the page links to; nothing is read there.
    page : str
        Name of the page's file.
    beside : str
        Folder inside ``output`` for ``figures`` and ``tables``, with a slash at its end.

    Raises
    ------
    PhasebenchError
        A table is missing, cut or lacks a column, or a file cannot be written.
    """
    _Report(tables, output, logs, page, beside).write()


class _Report:
    """One build: what the sections share, and where files go."""

    def __init__(self, folder: Path, output: Path, logs: Path, page: str, beside: str) -> None:
        self.tables = tables = read_tables(folder)
        self.output, self.page, self.files = output, page, beside
        self.experiments, self.not_run = arrange(tables)
        self.accuracies = [accuracy.accuracy_table(tables, experiment) for experiment in self.experiments]
        self.labels = {row.model: row.label for table in self.accuracies for row in table.rows}
        measured = {row.model: row.label for table in self.accuracies for row in table.rows if row.was_run}
        self.styles = line_styles(measured.items())
        self.runs = collect_runs(
            tables,
            self.experiments,
            self.labels,
            relative_folder(folder.parent, output),
            relative_folder(logs, output),
        )
        inputs = relative_folder(folder, output)
        self.inputs = [(name, address(inputs / name), *content) for name, content in tables.digests.items()]
        self.common: dict[str, Any] = {
            "benchmark": tables.benchmark.iloc[0].to_dict(),
            "labels": self.labels,
            "anchors": self.runs.anchors,
            "substitutes": summary.substitutes(self.experiments),
            "deviations": self._deviations(),
        }

    def _deviations(self) -> dict[str, str]:
        """Suite -> address of the page on its deviations from the study, for suites that have one."""
        folder = relative_folder(STUDIES_FOLDER, self.output)
        suites = sorted({experiment.suite for experiment in self.experiments})
        return {
            suite: address(folder / f"{suite}.md") for suite in suites if (STUDIES_FOLDER / f"{suite}.md").is_file()
        }

    def write(self) -> None:
        # A workflow waits for the folder, and without rotations and histories there is no figure to make it.
        _make_folder(self.output / f"{self.files}figures")
        sections = [self._section(table) for table in self.accuracies]
        studies = verdicts.study_verdicts(self.tables)
        rotations = [
            (experiment, rotation.rotation_rows(rotation.rotation_measurements(self.tables, experiment), experiment))
            for experiment in self.experiments
        ]
        page = render(
            "benchmark.html.j2",
            **self.common,
            facts=summary.run_facts(self.tables),
            findings=summary.findings(self.accuracies, rotations, self.labels),
            not_run=self.not_run,
            left_out=self.tables.left_out.to_dict("records"),
            unfinished=self.tables.unfinished.to_dict("records"),
            verdicts=[(study, self._verdicts(study)) for study in studies],
            all_verdicts=verdicts.all_verdicts(studies),
            sections=sections,
            properties=[(study, self._properties(study)) for study in properties.study_properties(self.tables)],
            runs=self.runs,
            runs_downloads=self._table("runs", self.runs.frame(), "runs", rows=self.runs.rows),
            settings_downloads=self._shared("settings", self.runs.settings),
            environments_downloads=self._shared("environments", self.runs.environments),
            inputs=self.inputs,
            commits=sorted(set(self.tables.runs["git_commit"]) - {""}),
        )
        write_text(self.output / self.page, page)

    def _section(self, table: AccuracyTable) -> Section:
        experiment = table.experiment
        compared = significance.comparisons(table)
        tests = significance.significance_table(compared, experiment)
        return Section(
            experiment,
            table,
            self._table(f"{experiment.slug}-accuracy", accuracy.tidy(table), "accuracy", table=table),
            self._plain_table(f"{experiment.slug}-comparisons", tests) if tests else None,
            "" if tests else significance.too_few_note(compared),
            tuple(
                self._figure(experiment, figure)
                for figure in figures.figures_of(self.tables, experiment, self.styles)
                if experiment.setting_of
            ),
        )

    def _verdicts(self, study: verdicts.StudyVerdicts) -> tuple[Download, ...]:
        return self._table(study.slug, verdicts.study_frame(self.tables, study), "claims", study=study)

    def _properties(self, study: properties.StudyProperties) -> tuple[TableBlock, ...]:
        return tuple(self._plain_table(f"{study.slug}-{kind}", table) for kind, table in study.tables)

    def _table(self, name: str, frame: pd.DataFrame, kind: str, **context: object) -> tuple[Download, ...]:
        text = self._csv(name, frame)
        # Links to runs lead nowhere outside the page.
        alone = render("table.html.j2", **{**self.common, "anchors": {}}, kind=kind, title=name, **context)
        write_text(self.output / f"{self.files}tables/{name}.html", alone)
        return (
            Download("CSV", f"{self.files}tables/{name}.csv", data_address(text)),
            Download("HTML", f"{self.files}tables/{name}.html"),
        )

    def _plain_table(self, name: str, table: PlainTable) -> TableBlock:
        return TableBlock(table, self._table(name, table.frame, "plain", table=table))

    def _shared(self, name: str, shared: tuple[Shared, ...]) -> tuple[Download, ...]:
        return self._table(name, shared_frame(shared), name, shared=shared)

    def _csv(self, name: str, frame: pd.DataFrame) -> str:
        # A file that is passed on alone must still say what scale it is of.
        scale = self.common["benchmark"]["scale"]
        text = frame.assign(scale=scale)[["scale", *frame.columns]].to_csv(index=False, lineterminator="\n")
        write_text(self.output / f"{self.files}tables/{name}.csv", text)
        return text

    def _figure(self, experiment: Experiment, figure: StudyFigure) -> FigureBlock:
        name = f"{experiment.slug}-{figure.kind}"
        write_text(
            self.output / f"{self.files}figures/{name}.svg",
            svg.to_svg(draw(figure, self.common["benchmark"]["label"])),
        )
        panels = tuple(
            Panel(
                panel.title,
                svg.to_inline_svg(draw_panel(figure, panel), f"{name}-{index}", panel.summary, panel.description),
            )
            for index, panel in enumerate(figure.drawn)
        )
        self._csv(f"{name}-data", figure.data)
        return FigureBlock(
            anchor=name,
            heading=figure.heading,
            title=figure.title,
            method=figure.method,
            answered=experiment.answers.get(figure.kind, ""),
            panels=panels,
            legend=figure.legend,
            has_lines=figure.has_lines,
            has_markers=figure.has_markers,
            across=figure.across,
            left_out=len(figure.panels) - len(figure.drawn),
            downloads=(
                Download("SVG", f"{self.files}figures/{name}.svg"),
                Download("CSV", f"{self.files}tables/{name}-data.csv"),
            ),
            table=self._plain_table(name, figure.table) if figure.table else None,
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be made: {error.strerror}") from error
