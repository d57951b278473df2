"""Mutations of small valid files: one strategy for all readers, on bytes and, where a format has values, on these."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Tree = Any
"""Nested dicts and lists of single values."""

_ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\r\n",
    b"\x1b[31m",
    b"[" * 3000,
    b"-",
    b"9" * 400,
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
)
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**32, 2**63, 10**400, 0.5, -1e308, float("nan"), float("inf")),
    *("", "x", "nan", "-1", "=1+1", "a\x01b", "a\nb", "\u2028", "../../x", "/dev/zero", "~nobody7/x", "x" * 5000),
    *([], [None], {}, {"x": 1}, [[[[1]]]], "2024-13-45", "\udc80"),
)


@dataclass(frozen=True)
class Form:
    """Format with values: how to read and to write it."""

    parse: Callable[[bytes], Tree]
    build: Callable[[Tree], bytes]


def mutated(content: bytes, form: Form | None = None) -> st.SearchStrategy[bytes]:
    """Content with one to four changes of its bytes or, where a form is given, of its values."""
    seeds = st.integers(0, 2**32 - 1)
    by_bytes = seeds.map(lambda seed: _change_bytes(content, random.Random(seed)))
    if form is None:
        return by_bytes
    tree = form.parse(content)
    by_value = seeds.map(lambda seed: _change_values(tree, form, random.Random(seed), content))
    return st.one_of(by_bytes, by_value)


def _change_bytes(content: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 4)):
        # The beginning of a file says the most about the rest.
        end = len(content) if rng.random() < 0.5 else min(len(content), 512)
        at, length = rng.randrange(end + 1), rng.choice((1, 1, 2, 4, 8, 64, 1000))
        match rng.randrange(7):
            case 0 if at < len(content):
                content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
            case 1:
                content = content[:at]
            case 2:
                content = content[:at] + content[at + length :]
            case 3:
                content = content[:at] + content[at : at + length] + content[at:]
            case 4:
                content = content[:at] + rng.choice(_ODD_BYTES) + content[at:]
            case 5:
                content = content[:at] + rng.randbytes(length) + content[at + length :]
            case 6:
                content = content[:at] + bytes([rng.choice((0, 127, 255))]) * length + content[at + length :]
    return content


def _change_values(tree: Tree, form: Form, rng: random.Random, content: bytes) -> bytes:
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break
        parent, key = rng.choice(places)
        match rng.randrange(5):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[f"{key}x"] = parent.pop(key)
            case 1:
                parent.append(parent[key])
            case _:
                parent[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
    try:
        return form.build(tree)
    except Exception:  # a value that the format cannot hold; any library may say so
        return _change_bytes(content, rng)


def _places(tree: Tree) -> Iterator[tuple[Any, Any]]:
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in items:
        yield tree, key
        yield from _places(value)
