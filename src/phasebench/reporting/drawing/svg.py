"""Figures as SVG: the same bytes for the same data, and safe to put beside each other in one page."""

import io
import re
from collections.abc import Mapping
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

INK = "#1c1f23"
RULE = "#d5d8dc"
"""Colours of text and grid, by which the page finds them to follow its light or dark scheme."""

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"


def to_svg(figure: Figure) -> str:
    """A figure as a file of its own, on white, its text as text."""
    return _save(figure, transparent=False)


def to_inline_svg(
    figure: Figure, name: str, title: str, description: str, notes: Mapping[str, str] | None = None
) -> str:
    """A figure as an ``<svg>`` element of a page.

    Text and grid take the page's colours, every id starts with ``name``, and ``title`` and ``description`` are what a
    screen reader says. ``notes`` (id of an element -> text) are what a browser shows on hovering.
    """
    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(_save(figure, transparent=True))
    for parent in list(root.iter()):
        for child in list(parent):
            # matplotlib's style sheet would reach the whole page; its metadata say nothing.
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)
    for element in list(root.iter()):
        text = (notes or {}).get(element.get("id", ""))
        if text is not None:
            note = ElementTree.Element(f"{_SVG}title")
            note.text = text
            element.insert(0, note)
        _localise(element, name)
    _describe(root, name, title, description)
    return ElementTree.tostring(root, encoding="unicode")


def _save(figure: Figure, *, transparent: bool) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "phasebench"}):
        figure.savefig(buffer, format="svg", transparent=transparent, metadata={"Date": None, "Creator": None})
    # The font that measured the layout need not be the reader's.
    text = buffer.getvalue().replace("'DejaVu Sans'", "sans-serif")
    # Trailing blanks trouble those who commit the figure.
    return re.sub(r"[ \t]+\n", "\n", text)


def _localise(element: ElementTree.Element, name: str) -> None:
    target = element.attrib.pop(f"{_XLINK}href", None)
    if target is not None:
        element.set("href", f"#{name}-{target.removeprefix('#')}")
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == "style":
            element.set(key, value.replace(INK, "currentColor").replace(RULE, "var(--rule)"))
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    # The view box keeps the proportions; the page sets the width.
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for tag, suffix, text in (("desc", "description", description), ("title", "title", title)):
        element = ElementTree.Element(f"{_SVG}{tag}", {"id": f"{name}-{suffix}"})
        element.text = text
        root.insert(0, element)
