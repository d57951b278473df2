"""How a model is drawn: the same in every figure of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

# seaborn's "colorblind" without its yellow and pale pink, which vanish on white.
_COLOURS = ("#0173b2", "#d55e00", "#029e73", "#cc78bc", "#de8f05", "#949494", "#56b4e9", "#ca9161")
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1, 1.2), (5, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class ModelStyle:
    """A line: its name, colour, dash pattern (in line widths; () is solid) and matplotlib marker."""

    label: str
    colour: str
    dashes: tuple[float, ...]
    marker: str


def model_styles(models: Iterable[tuple[str, str]]) -> dict[str, ModelStyle]:
    """Give every (model, label) a style of its own; lines differ in more than their colour."""
    return {
        model: ModelStyle(
            label,
            _COLOURS[index % len(_COLOURS)],
            _DASHES[index % len(_DASHES)],
            _MARKERS[index % len(_MARKERS)],
        )
        for index, (model, label) in enumerate(models)
    }
