"""Names and numbers as a reader sees them."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"

# Of the encodings, which belong to no study.
_WORDS = {"lab": "LAB", "mfcc": "MFCC", "rgb": "RGB"}


@dataclass(frozen=True)
class DisplayNames:
    """Identifiers as prose, with the names that the suites and the scale give: ``cifar10`` is CIFAR-10.

    Attributes
    ----------
    given
        A whole identifier, or a word of identifiers, and how it is written. All else is written as it is, with blanks
        and a capital letter: ``colour_shapes`` is Colour shapes.
    """

    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> "DisplayNames":
        """Read the column ``display_names`` of the table ``benchmark``."""
        return cls(json.loads(text or "{}"))

    def __call__(self, name: str) -> str:
        """Write an identifier as prose."""
        if name in self.given:
            return self.given[name]
        text = " ".join(self.given.get(word, _WORDS.get(word, word)) for word in name.split("_"))
        return text[:1].upper() + text[1:]


def per_cent(fraction: float, decimals: int = 2) -> str:
    """A fraction in per cent without the sign: 0.6717 is '67.17'; a dash for NaN."""
    return NONE if math.isnan(fraction) else _number(100 * fraction, decimals)


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign: 0.0025 is '+0.25'."""
    text = per_cent(difference)
    return text if text.startswith((NONE, MINUS)) or not float(text) else f"+{text}"


def decimal(value: float) -> str:
    """A number of size about one: '0.125'; a dash for NaN."""
    return NONE if math.isnan(value) else _number(value, 3)


def slug(*names: str) -> str:
    """Names joined for a file name or an anchor: word characters and hyphens alone."""
    return re.sub(r"[^\w-]+", "-", "-".join(names))


def typeset(text: str) -> str:
    """Replace typewriter apostrophes by those of print."""
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def shortened(text: str, length: int = 24) -> str:
    """Shorten a text to at most ``length`` characters, for places without room."""
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def item_name(item: str) -> str:
    """A numbered part of a measurement, counted from one: ``image0`` is 'Image 1'."""
    match = re.fullmatch(r"([a-z]+)(\d+)", item)
    return f"{match[1].capitalize()} {int(match[2]) + 1}" if match else DisplayNames()(item)


def item_order(item: str) -> tuple[str, int]:
    """Sorting key that puts ``image10`` behind ``image9``."""
    name = item.rstrip("0123456789")
    return (name, int(item[len(name) :] or 0))


def sortable(value: float) -> str:
    """A number for the page's scripts; '' for NaN."""
    return "" if math.isnan(value) else f"{value:.7g}"


def share(fraction: float) -> str:
    """A fraction of a training set: 0.05 is '5 %'."""
    return f"{100 * fraction:.6g}\N{NO-BREAK SPACE}%"


def integer(value: float) -> str:
    """A count with thousands separated; a dash for NaN."""
    return NONE if math.isnan(value) else f"{value:,.0f}"


def rate(value: float) -> str:
    """A positive quantity to three significant digits."""
    if math.isnan(value):
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if math.isnan(seconds):
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def short_commit(commit: str) -> str:
    """The first ten digits of a commit and whatever is said after a '-' or '+'; 'unknown' for none."""
    match = re.fullmatch(r"([0-9a-f]{10})[0-9a-f]*(.*)", commit)
    return match[1] + match[2] if match else commit or "unknown"


def listed(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    # Minus zero says that there was a loss where there was none.
    text = text.removeprefix("-") if not float(text) else text
    return text.replace("-", MINUS)
