"""An HTML page taken apart."""

from html.parser import HTMLParser

VOID = {"meta", "line", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """A page taken apart: elements with attributes, text of cells by row, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, name: str, tag: str | None = None) -> list[str]:
        found = (attrs.get(name) for element, attrs in self.elements if tag in (None, element))
        return [value for value in found if value is not None]
