"""Properties of a study: the laws of its layers, and its networks without training."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from phasebench.common.wording import counted
from phasebench.properties.rows import OUTCOMES, Outcome, outcome
from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell
from phasebench.reporting.experiments import display_names_of
from phasebench.reporting.labels import NONE, integer, listed, rate, slug
from phasebench.tables.read import ReportTables

NEWS: tuple[Outcome, ...] = ("does not hold", "control holds")
"""Outcomes that a reader should look at."""
_MARKS: dict[Outcome, str] = {
    "holds": "✓",
    "fails as expected": "✓",
    "measured": "",
    "does not hold": "✗",
    "control holds": "✗",
}
_DTYPES = ("float64", "float32", "")
_COSTS = {"real multiplications": "Multiplications", "forward pass": "Forward, ms", "training step": "Step, ms"}
_PARAMETERS, _MAPS = "parameters", "root mean square of feature maps"


@dataclass(frozen=True)
class StudyProperties:
    """The properties of a suite; ``name`` is the suite's for reading.

    Attributes
    ----------
    counts
        (outcome, rows) of each outcome, also where there are none, parameter counts left out.
    different_sizes, compared_sizes
        Networks whose parameter count is not the study's, and networks of which the study gives one.
    tables
        Anchor of a table to its content: layers, networks.
    """

    suite: str
    name: str
    counts: tuple[tuple[Outcome, int], ...]
    different_sizes: int
    compared_sizes: int
    tables: tuple[tuple[str, PlainTable], ...]

    @property
    def slug(self) -> str:
        """Name for anchors and files."""
        return slug(self.suite, "properties")

    @property
    def sentence(self) -> str:
        """Count of what came out, over all conditions and precisions."""
        number = dict(self.counts)
        n_controls = number["fails as expected"]
        laws = f"{counted(number['holds'], 'value')} as the laws say"
        controls = f"{counted(n_controls, 'control')} that {'differs' if n_controls == 1 else 'differ'} as expected"
        news = [f"{number[one]}: {one}" for one in NEWS if number[one]]
        sizes = f"{self.different_sizes} of {counted(self.compared_sizes, 'parameter count')} not the study's"
        return f"{listed([laws, controls, *news, *([sizes] if self.compared_sizes else [])])}."


def study_properties(tables: ReportTables) -> list[StudyProperties]:
    """The studies whose properties were measured, in the order of the table."""
    display_name = display_names_of(tables)
    labels = dict(zip(tables.models["model"], tables.models["label"], strict=True))
    return [
        _study(str(suite), display_name(str(suite)), rows.reset_index(drop=True), labels)
        for suite, rows in tables.properties.groupby("suite", sort=False)
    ]


def outcome_counts(rows: pd.DataFrame) -> Counter[Outcome]:
    """Number of measured properties with each outcome, parameter counts left out."""
    others = rows[rows["law"] != _PARAMETERS]
    return Counter(_outcome(*pair) for pair in zip(others["holds"], others["is_control"], strict=True))


def _study(suite: str, name: str, rows: pd.DataFrame, labels: dict[str, str]) -> StudyProperties:
    found = [_outcome(holds, control) for holds, control in zip(rows["holds"], rows["is_control"], strict=True)]
    rows = rows.assign(outcome=found)
    layers, networks = (rows[rows["kind"] == kind] for kind in ("layer", "network"))
    tables = [("layers", _layers(name, layers))] if len(layers) else []
    tables += [("networks", _networks(name, networks, labels))] if len(networks) else []
    sizes = rows.loc[rows["law"] == _PARAMETERS, "outcome"]
    counts = outcome_counts(rows)
    return StudyProperties(
        suite,
        name,
        tuple((one, counts[one]) for one in OUTCOMES),
        int((sizes == "does not hold").sum()),
        int((sizes != "measured").sum()),
        tuple(tables),
    )


def _outcome(holds: float, is_control: float) -> Outcome:
    return outcome(None if math.isnan(holds) else bool(holds), bool(is_control))


def _layers(name: str, rows: pd.DataFrame) -> PlainTable:
    """One line for a law of a layer, over the conditions that it was measured under."""
    columns = (
        Column("Layer", "text", names_row=True),
        Column("Law", "text"),
        Column("float64"),
        Column("float32"),
        Column("Expected"),
        Column("Outcome", "text"),
        Column("Source", "text"),
    )
    lines = []
    for (subject, law, _), part in rows.groupby(["subject", "law", "is_control"], sort=False):
        by_type = {dtype: part[part["dtype"] == dtype] for dtype in _DTYPES}
        exact = by_type[""]
        lines.append(
            (
                PlainCell(str(subject)),
                PlainCell(str(law)),
                _worst(exact if len(exact) else by_type["float64"]),
                _worst(by_type["float32"]),
                PlainCell(_expected(part), order=""),
                _verdict(part),
                PlainCell("; ".join(dict.fromkeys(filter(None, part["source"])))),
            )
        )
    caption = (
        "Each law was measured without data, in double and in single precision; the value that is farthest from the "
        "expected one stands here, of a control the nearest. A control is a layer that is known not to have the "
        "property: there the law has to fail."
    )
    return PlainTable(f"{name}: laws of its layers.", caption, columns, tuple(lines), rows)


def _networks(name: str, rows: pd.DataFrame, labels: dict[str, str]) -> PlainTable:
    """One line for a network, with a column for what was measured of any."""
    laws = list(dict.fromkeys(rows["law"]))
    invariances = [law for law in laws if law.endswith("invariance of the logits")]
    headings: dict[str, tuple[str, Callable[[pd.DataFrame], PlainCell]]] = {
        **{
            law: (
                f"{law.split(' ')[0].capitalize()} turned" if law.startswith("phase") else "Magnitude changed",
                _changed,
            )
            for law in invariances
        },
        _MAPS: ("Size of maps by module", _sizes),
        **{law: (heading, _cost) for law, heading in _COSTS.items()},
    }
    shown = {law: heading for law, heading in headings.items() if law in laws}
    columns = (
        Column("Network", "text", names_row=True),
        Column("Input", "text"),
        Column("Parameters"),
        Column("Published"),
        *(Column(heading) for heading, _ in shown.values()),
    )
    lines = []
    for model in sorted(set(rows["subject"]), key=list(labels).index):
        part = rows[rows["subject"] == model]
        (count,) = part[part["law"] == _PARAMETERS].to_dict("records")
        differs = count["outcome"] in NEWS
        lines.append(
            (
                PlainCell(labels[model], title=model),
                PlainCell(count["item"]),
                number_cell(count["value"], integer),
                number_cell(count["expected"], integer, "differs" if differs else ""),
                *(cell(part[part["law"] == law]) for law, (_, cell) in shown.items()),
            )
        )
    return PlainTable(f"{name}: its networks without training.", _network_caption(shown), columns, tuple(lines), rows)


def _network_caption(shown: Iterable[str]) -> str:
    texts = ["Parameters of the study's networks, and the study's count."]
    if any(law.endswith("invariance of the logits") for law in shown):
        texts.append(
            "Change of the logits when all of an image is multiplied by one number: median over random images, as a "
            "share of the logits' spread over images, in single precision. ✓ stands where the network has to ignore "
            "the number and does; others are controls, which must not."
        )
    if _MAPS in shown:
        texts.append(
            "Root mean square of the maps behind the last normalisation of each module: 1 behind batch normalisation, "
            "1 / sqrt(HW) behind the spectral one."
        )
    texts.append(
        "Multiplications are the real ones of convolutions and products of matrices, of a pass of one image. "
        "Times are those of two images on a CPU, the least of few steps; of large networks, of one."
    )
    return " ".join(texts)


def _worst(rows: pd.DataFrame) -> PlainCell:
    """The value farthest from the expected one; of a control the nearest."""
    if not len(rows):
        return PlainCell(NONE, order="")
    records = rows.to_dict("records")
    choose = min if records[0]["is_control"] else max
    chosen = choose(records, key=lambda one: abs(one["value"] - one["expected"]))
    return number_cell(chosen["value"], _number, chosen["item"])


def _expected(rows: pd.DataFrame) -> str:
    expected = sorted(set(rows["expected"].dropna()))
    if not expected:
        return NONE
    return " to ".join(map(_number, dict.fromkeys((expected[0], expected[-1]))))


def _verdict(rows: pd.DataFrame) -> PlainCell:
    """The outcome of all conditions, or the news among them with their number."""
    news = [one for one in NEWS if one in set(rows["outcome"])]
    word: Outcome = news[0] if news else rows["outcome"].iloc[0]
    own = rows[rows["outcome"] == word]
    text = f"{_MARKS[word]} {word}".strip()
    return PlainCell(f"{text}, {len(own)} of {len(rows)}" if news else text, title=", ".join(filter(None, own["item"])))


def _changed(rows: pd.DataFrame) -> PlainCell:
    cell, outcomes = _worst(rows[rows["dtype"] == "float32"]), set(rows["outcome"])
    mark = "✗" if outcomes & set(NEWS) else "✓" if "holds" in outcomes else ""
    return PlainCell(f"{cell.text} {mark}".strip(), order=cell.order, title=_verdict(rows).text)


def _sizes(rows: pd.DataFrame) -> PlainCell:
    if not len(rows):
        return PlainCell(NONE, order="")
    last = float(rows["value"].iloc[-1])
    return PlainCell(" · ".join(map(_number, rows["value"])), order=f"{last:.7g}", title=", ".join(rows["item"]))


def _cost(rows: pd.DataFrame) -> PlainCell:
    return number_cell(float(rows["value"].iloc[0]), rate, str(rows["item"].iloc[0]))


def _number(value: float) -> str:
    """A number of any size to three digits: '3.1e-16', '0.75', '13'; a dash for NaN."""
    if math.isnan(value):
        return NONE
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.3g}"
