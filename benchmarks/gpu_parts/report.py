"""The results as one Markdown table and as JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gpu_parts.session import Row

COLUMNS = ("part", "measured", "ms", "per second", "ratio", "to", "note")


def markdown(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A heading, a line about the machine, and the table."""
    about = ", ".join(f"{key} {value}" for key, value in machine.items() if key != "card")
    table = [COLUMNS, *(_cells(row) for row in rows)]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in table]
    lines.insert(1, "|---|---|--:|--:|--:|---|---|")
    return "\n".join([f"# {machine['card']}", "", about, "", *lines, ""])


def _cells(row: Row) -> tuple[str, ...]:
    rate = "" if row.rate is None else f"{_number(row.rate)} {row.unit}"
    return (row.part, row.what, _number(row.milliseconds), rate, _number(row.ratio), row.ratio_to, row.note)


def _number(value: float | None) -> str:
    """Three digits at least; all of those before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def file_stem(card: str, date: str) -> str:
    """``nvidia-h200-2026-01-31``."""
    return f"{re.sub(r'[^a-z0-9]+', '-', card.lower()).strip('-')}-{date}"


def write(folder: Path, stem: str, machine: Mapping[str, str], rows: Sequence[Row]) -> tuple[Path, Path]:
    """Write the Markdown file and the JSON file beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    text, data = folder / f"{stem}.md", folder / f"{stem}.json"
    text.write_text(markdown(machine, rows), encoding="utf-8")
    content = {"machine": dict(machine), "rows": [asdict(row) for row in rows]}
    data.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return text, data


def read_rows(path: Path) -> list[Row]:
    """Rows that a part wrote; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(Row(**json.loads(line)))
        except json.JSONDecodeError:
            break
    return rows
