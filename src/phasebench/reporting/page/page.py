"""Rendering: templates, styles and what they are filled with."""

import base64
import functools
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jinja2

from phasebench.reporting import labels
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.palette import LineStyle
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.tables.accuracy import AccuracyTable
from phasebench.reporting.tables.verdicts import StudyVerdicts

_FORMATS: dict[str, Callable[..., str]] = {
    "per_cent": labels.per_cent,
    "points": labels.points,
    "integer": labels.integer,
    "rate": labels.rate,
    "duration": labels.duration,
    "short_commit": labels.short_commit,
    "sortable": labels.sortable,
    "typeset": labels.typeset,
}


@dataclass(frozen=True)
class Download:
    """A file beside the page.

    Attributes
    ----------
    kind
        'CSV', 'SVG' ...
    href
        Relative to the page.
    embedded
        The same bytes as a ``data:`` address, for a page that was sent without its folder; '' for none.
    """

    kind: str
    href: str
    embedded: str = ""

    @property
    def file_name(self) -> str:
        """Last part of the path."""
        return self.href.rpartition("/")[2]


@dataclass(frozen=True)
class Panel:
    """A drawing with its title; ``svg`` goes into the page as it is."""

    title: str
    svg: str


@dataclass(frozen=True)
class TableBlock:
    """A table of the page with its files."""

    table: PlainTable
    downloads: tuple[Download, ...]


@dataclass(frozen=True)
class FigureBlock:
    """A figure of the page.

    Attributes
    ----------
    anchor, heading
        Where links lead, and what stands above.
    title, method
        Its caption, and how it was made, which is folded.
    answered, reported
        The figure of the study that it answers, and what the study reports there in words; '' for none.
    panels, legend
        Drawings, and the keys of their lines in HTML.
    has_lines, has_markers
        What the keys show.
    across
        Most panels side by side.
    left_out
        Panels whose data are in the files alone.
    """

    anchor: str
    heading: str
    title: str
    method: str
    answered: str
    reported: str
    panels: tuple[Panel, ...]
    legend: tuple[LineStyle, ...]
    has_lines: bool
    has_markers: bool
    across: int
    left_out: int
    downloads: tuple[Download, ...]
    table: TableBlock | None = None


@dataclass(frozen=True)
class Section:
    """Section of the page about one experiment."""

    experiment: Experiment
    accuracy: AccuracyTable
    accuracy_downloads: tuple[Download, ...]
    claims: StudyVerdicts
    comparisons: TableBlock | None = None
    comparisons_note: str = ""
    figures: tuple[FigureBlock, ...] = ()


@dataclass(frozen=True)
class PropertiesBlock:
    """Properties of the layers and untrained networks of a study: a sentence, and tables."""

    anchor: str
    sentence: str
    tables: tuple[TableBlock, ...]


@dataclass(frozen=True)
class StudyPage:
    """Part of the page about one study.

    Attributes
    ----------
    suite, name, anchor
        Its suite, how a reader knows it, and where links lead.
    title, citation, question
        Of the study, from its suite; '' where the tables do not say.
    claims, claims_downloads
        All of its claims; none is no claim at all.
    picture, picture_note
        Published against measured numbers ('' without any), and the picture in a sentence.
    sections
        Experiments with runs.
    not_run
        Experiments without, whose tables hold what was published alone.
    further
        Claims about no experiment of the page.
    properties
        What its layers and untrained networks decide, if that was measured.
    cost
        What its networks cost, if any was run.
    deviations
        Address of the page on its deviations from the study, or ''.
    """

    suite: str
    name: str
    anchor: str
    title: str
    citation: str
    question: str
    claims: StudyVerdicts
    claims_downloads: tuple[Download, ...]
    picture: str
    picture_note: str
    sections: tuple[Section, ...]
    not_run: tuple[Section, ...]
    further: StudyVerdicts
    properties: PropertiesBlock | None = None
    cost: FigureBlock | None = None
    deviations: str = ""


def render(template: str, **context: Any) -> str:
    """Fill one of the package's templates; every value is escaped but drawings, styles and scripts."""
    return (
        _environment()
        .get_template(template)
        .render(style=_resource("style.css"), script=_resource("tables.js"), **context)
    )


@functools.cache
def _environment() -> jinja2.Environment:
    """One for all files of a report, which compiles each template once."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(_FORMATS)
    environment.globals["zip"] = zip
    return environment


def data_address(text: str) -> str:
    """A CSV file's text as a ``data:`` address."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _resource(name: str) -> str:
    return importlib.resources.files("phasebench.reporting").joinpath("templates", name).read_text(encoding="utf-8")
