"""Web pages that were saved in place of data, such as the error page of a download."""

from pathlib import Path

SAVED_PAGE = "it is a saved web page, not data; delete it and fetch the file again"
_LOOKED_AT_BYTES = 512
_BEGINNINGS = (b"<!doctype html", b"<html", b"<head")


def is_page(content: bytes) -> bool:
    """Return True for bytes that begin as HTML."""
    return content[:_LOOKED_AT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_BEGINNINGS)


def is_saved_page(path: Path | str) -> bool:
    """Return True for a file that can be read and begins as HTML."""
    try:
        with Path(path).open("rb") as file:
            return is_page(file.read(_LOOKED_AT_BYTES))
    except OSError:
        return False
