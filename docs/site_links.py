"""Links of the site to files of the repository that are no pages: named, since the site does not hold them."""

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn a link that leads out of ``docs/`` into its text and the file's path in the repository."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def named(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[2]))
        if path.startswith("docs/"):
            return link[0]
        return link[1] if link[1].strip("`") == path else f"{link[1]} (`{path}`)"

    return _LINK.sub(named, markdown)
