"""The report: reads the aggregated tables, writes the page, its figures and its tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import csv_text, write_text
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing import svg
from phasebench.reporting.drawing.drawings import Drawings
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures import agreement
from phasebench.reporting.figures import registry as figures
from phasebench.reporting.figures.cost import cost_figure
from phasebench.reporting.labels import slug
from phasebench.reporting.page import studies, summary
from phasebench.reporting.page.page import (
    Download,
    FigureBlock,
    Panel,
    PropertiesBlock,
    Section,
    StudyPage,
    TableBlock,
    data_address,
    render,
)
from phasebench.reporting.tables import accuracy, properties, significance, verdicts
from phasebench.reporting.tables.accuracy import AccuracyTable
from phasebench.reporting.tables.runs import Shared, address, collect_runs, relative_folder, shared_frame
from phasebench.tables.read import read_tables

STUDIES_FOLDER = Path("docs/studies")
"""Of the repository, in which reports are built."""
_STRONGEST = 3


def build_report(
    tables: Path, output: Path, logs: Path, page: str = "benchmark.html", beside: str = "", processes: int = 1
) -> None:
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
    processes : int
        Draw the figures.

    Raises
    ------
    PhasebenchError
        A table is missing, cut or lacks a column, or a file cannot be written.
    """
    _Report(tables, output, logs, page, beside, processes).write()


class _Report:
    """One build: what the sections share, and where files go."""

    def __init__(self, folder: Path, output: Path, logs: Path, page: str, beside: str, processes: int) -> None:
        self.tables = tables = read_tables(folder)
        self.output, self.page, self.files = output, page, beside
        self.experiments = arrange(tables)
        self.properties = {study.suite: study for study in properties.study_properties(tables)}
        self.accuracies = [accuracy.accuracy_table(tables, experiment) for experiment in self.experiments]
        self.labels = {row.model: row.label for table in self.accuracies for row in table.rows}
        measured = {row.model: row.label for table in self.accuracies for row in table.rows if row.was_run}
        self.styles = line_styles(measured.items())
        self.figures = {
            experiment.slug: {
                f"{experiment.slug}-{figure.kind}": figure
                for figure in figures.figures_of(tables, experiment, self.styles)
            }
            for experiment in self.experiments
            if experiment.setting_of
        }
        self.claims = verdicts.study_verdicts(tables)
        self.suites = studies.suites_of(self.experiments, [*self.claims, *self.properties])
        costs = {slug(suite, "cost"): cost_figure(tables, suite, self.styles) for suite in self.suites}
        self.costs = {name: figure for name, figure in costs.items() if figure is not None}
        drawn = {name: figure for part in (*self.figures.values(), self.costs) for name, figure in part.items()}
        self.drawings = Drawings(drawn, tables.benchmark["label"].iloc[0], processes)
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
        }

    def write(self) -> None:
        # A workflow waits for the folder, and without rotations and histories there is no figure to make it.
        _make_folder(self.output / f"{self.files}figures")
        pages = [self._study(suite) for suite in self.suites]
        every = verdicts.all_verdicts(self.claims.values())
        page = render(
            "benchmark.html.j2",
            **self.common,
            sentence=summary.sentence(self.tables),
            facts=summary.run_facts(self.tables),
            left_out=self.tables.left_out.to_dict("records"),
            unfinished=self.tables.unfinished.to_dict("records"),
            studies=pages,
            every=every,
            extremes=verdicts.extremes(every.rows, _STRONGEST),
            not_tested=summary.not_tested(every.rows),
            runs=self.runs,
            runs_downloads=self._table("runs", self.runs.frame(), "runs", rows=self.runs.rows),
            settings_downloads=self._shared("settings", self.runs.settings),
            environments_downloads=self._shared("environments", self.runs.environments),
            inputs=self.inputs,
            commits=sorted(set(self.tables.runs["git_commit"]) - {""}),
        )
        write_text(self.output / self.page, page)

    def _study(self, suite: str) -> StudyPage:
        accuracies = [table for table in self.accuracies if table.experiment.suite == suite]
        claims = studies.claims_of(self.tables, suite, self.claims)
        sections = [self._section(table, claims) for table in accuracies]
        given = studies.described(self.tables).get(suite, {})
        dots = agreement.dots_of(self.tables, accuracies)
        panel = agreement.agreement_panel(claims.name, dots) if dots else None
        anchor = slug("study", suite)
        sentences = [panel.description] if panel else []
        cost = slug(suite, "cost")
        return StudyPage(
            suite=suite,
            name=claims.name,
            anchor=anchor,
            title=given.get("title", ""),
            citation=given.get("citation", ""),
            question=given.get("question", ""),
            claims=claims,
            claims_downloads=self._verdicts(claims) if claims.rows else (),
            picture=""
            if panel is None
            else svg.to_inline_svg(
                agreement.draw_agreement(panel),
                slug(suite, "agreement"),
                panel.summary,
                panel.description,
                agreement.notes(dots),
            ),
            picture_note=" ".join([*sentences, *summary.agreement_sentences(accuracies)]),
            sections=tuple(section for section in sections if section.experiment.setting_of),
            not_run=tuple(section for section in sections if not section.experiment.setting_of),
            further=studies.further_claims(claims, [table.experiment for table in accuracies]),
            properties=self._properties(self.properties.get(suite)),
            cost=self._figure(cost, self.costs[cost]) if cost in self.costs else None,
            deviations=self._deviations(suite),
        )

    def _deviations(self, suite: str) -> str:
        """Address of the page on a suite's deviations from its study, or ''."""
        path = STUDIES_FOLDER / f"{suite}.md"
        return address(relative_folder(STUDIES_FOLDER, self.output) / path.name) if path.is_file() else ""

    def _section(self, table: AccuracyTable, claims: verdicts.StudyVerdicts) -> Section:
        experiment = table.experiment
        compared = significance.comparisons(table)
        tests = significance.significance_table(compared, experiment)
        return Section(
            experiment,
            table,
            self._table(f"{experiment.slug}-accuracy", accuracy.tidy(table), "accuracy", table=table),
            claims.of(experiment.name),
            self._plain_table(f"{experiment.slug}-comparisons", tests) if tests else None,
            "" if tests else significance.too_few_note(compared),
            tuple(
                self._figure(
                    name,
                    figure,
                    experiment.answers.get(figure.kind, ""),
                    experiment.reported.get(figure.kind, ""),
                )
                for name, figure in self.figures.get(experiment.slug, {}).items()
            ),
        )

    def _verdicts(self, study: verdicts.StudyVerdicts) -> tuple[Download, ...]:
        return self._table(study.slug, verdicts.study_frame(self.tables, study), "claims", study=study)

    def _properties(self, study: properties.StudyProperties | None) -> PropertiesBlock | None:
        if study is None:
            return None
        tables = (self._plain_table(f"{study.slug}-{kind}", table) for kind, table in study.tables)
        return PropertiesBlock(study.slug, study.sentence, tuple(tables))

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
        text = csv_text(frame.assign(scale=scale)[["scale", *frame.columns]])
        write_text(self.output / f"{self.files}tables/{name}.csv", text)
        return text

    def _figure(self, name: str, figure: StudyFigure, answered: str = "", reported: str = "") -> FigureBlock:
        drawing = self.drawings[name]
        write_text(self.output / f"{self.files}figures/{name}.svg", drawing.whole)
        panels = tuple(Panel(panel.title, drawn) for panel, drawn in zip(figure.drawn, drawing.panels, strict=True))
        self._csv(f"{name}-data", figure.data)
        return FigureBlock(
            anchor=name,
            heading=figure.heading,
            title=figure.title,
            method=figure.method,
            answered=answered,
            reported=reported,
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
