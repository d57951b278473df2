"""Last words of a finished benchmark, for the terminal: where the page is, and how the claims came out."""

from collections import Counter
from pathlib import Path

import pandas as pd

from phasebench.claims.marks import BY_CONSTRUCTION, DIRECTIONS, NOT_REPRODUCED, NOT_TESTED, count_marks, worded
from phasebench.common.wording import counted
from phasebench.reporting.labels import duration, listed
from phasebench.reporting.tables.properties import NEWS, outcome_counts
from phasebench.tables.read import ReportTables, read_tables


def outcome(tables: Path, page: Path, started: float, now: float) -> str:
    """Word what a start of the workflow showed, in a few lines.

    Parameters
    ----------
    tables : Path
        Folder of the aggregated tables.
    page : Path
        The report's page.
    started, now : float
        Moments of the start and of its end, in seconds since 1970.

    Returns
    -------
    str
        Lines: page, findings, properties, and what to do next; '' if the page was not written since the start.

    Raises
    ------
    PhasebenchError
        A table is missing, cut or lacks a column.
    """
    if not page.is_file() or page.stat().st_mtime < started:
        return ""
    read = read_tables(tables)
    benchmark = read.benchmark.iloc[0]
    findings = read.claims[read.claims["kind"] == "finding"]
    runs = counted(len(read.runs), "run")
    return "\n".join(
        [
            f"Report:     {page} (scale {benchmark['scale']}, {runs}, in {duration(now - started)})",
            f"Findings:   {_findings(findings)}",
            f"Properties: {_properties(read)}",
            f"Next:       open {page.name} in a browser; {_next(str(benchmark['label']))}",
        ]
    )


def _findings(claims: pd.DataFrame) -> str:
    counts = count_marks(claims["mark"])
    marks = listed([f"{count} {mark}" for mark, count in counts.items() if mark != BY_CONSTRUCTION])
    directions = Counter(claims.loc[claims["mark"] == NOT_TESTED, "direction"])
    pointing = [f"{count:,} {worded(words, count)}" for words in DIRECTIONS if words and (count := directions[words])]
    return f"{marks} here" + (f", of which {listed(pointing)}" if pointing else "")


def _properties(read: ReportTables) -> str:
    counts = count_marks(read.claims.loc[read.claims["kind"] == "property", "mark"])
    untested = f", {counts[NOT_TESTED]} not tested here" if counts[NOT_TESTED] else ""
    return f"{counts[BY_CONSTRUCTION]} hold, {counts[NOT_REPRODUCED]} do not{untested}{_laws(read)}"


def _laws(read: ReportTables) -> str:
    """Count of the measured values of layers and untrained networks; '' where none was measured."""
    found = outcome_counts(read.properties)
    del found["measured"]
    if not (total := found.total()):
        return ""
    unexpected = sum(found[one] for one in NEWS)
    return (
        f"; {total - unexpected:,} of {counted(total, 'measured value')} of layers and untrained networks as expected"
    )


def _next(label: str) -> str:
    if label:
        return "docs/quickstart.md says how to go on with real data"
    return "`phasebench status` says what is left"
