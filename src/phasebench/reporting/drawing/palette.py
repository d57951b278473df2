"""Colours, dashes and markers of the models, the same in every figure of a report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# seaborn's "colorblind" without its yellow and pale pink, which vanish on white.
COLOURS = ("#0173b2", "#d55e00", "#029e73", "#cc78bc", "#de8f05", "#949494", "#56b4e9", "#ca9161")
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1, 1.2), (5, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1))
# matplotlib's name of a marker -> its outline as a path of SVG, about (0, 0).
MARKER_PATHS = {
    "o": "M-3 0A3 3 0 1 1 3 0A3 3 0 1 1 -3 0Z",
    "s": "M-2.7-2.7H2.7V2.7H-2.7Z",
    "^": "M0-3.2L3.2 2.8H-3.2Z",
    "D": "M0-3.7L3.7 0L0 3.7L-3.7 0Z",
    "v": "M0 3.2L3.2-2.8H-3.2Z",
    "P": "M-1.1-3.3H1.1V-1.1H3.3V1.1H1.1V3.3H-1.1V1.1H-3.3V-1.1H-1.1Z",
    "X": "M0-1.5L1.9-3.4L3.4-1.9L1.5 0L3.4 1.9L1.9 3.4L0 1.5L-1.9 3.4L-3.4 1.9L-1.5 0L-3.4-1.9L-1.9-3.4Z",
}
_MARKERS = tuple(MARKER_PATHS)


@dataclass(frozen=True)
class LineStyle:
    """A line: its name, colour, dash pattern (in line widths; () is solid) and matplotlib marker."""

    label: str
    colour: str
    dashes: tuple[float, ...]
    marker: str

    @property
    def marker_path(self) -> str:
        """The marker's outline for a key in the page, about (0, 0)."""
        return MARKER_PATHS[self.marker]


def line_styles(series: Iterable[tuple[str, str]]) -> dict[str, LineStyle]:
    """Give every (name, label) a style of its own; lines differ in more than their colour."""
    return {
        name: LineStyle(
            label,
            COLOURS[index % len(COLOURS)],
            _DASHES[index % len(_DASHES)],
            _MARKERS[index % len(_MARKERS)],
        )
        for index, (name, label) in enumerate(series)
    }


def present(styles: dict[str, LineStyle], drawn: Iterable[str]) -> dict[str, LineStyle]:
    """The styles of what is drawn, in their order."""
    chosen = set(drawn)
    return {name: style for name, style in styles.items() if name in chosen}


def spectrum(number: int) -> Sequence[str]:
    """``number`` colours of equal lightness round the colour circle, legible on white and on black."""
    import seaborn

    return [str(colour) for colour in seaborn.husl_palette(number, s=0.85, l=0.58).as_hex()]
