"""Registries: names of definitions that are imported when they are asked for, and not before.

A run so imports, and is invalidated by, what it uses alone. :mod:`phasebench.codehash` finds every registry in the
source by the call of :class:`Registry`, which therefore stands at the top level of its module.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from phasebench.common.errors import PhasebenchError


class Targeted(Protocol):
    """An entry that says more than its target."""

    @property
    def target(self) -> str:
        """``module:object``."""


Entry = TypeVar("Entry", bound=str | Targeted)


class Registry(dict[str, Entry]):
    """Name -> ``module:object``, or an entry with such a ``target``.

    Parameters
    ----------
    kind : str
        An entry in a message, such as "encoding".
    entries : mapping
        Written out in the call, so that they can be read from the source.
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry]) -> None:
        super().__init__(entries)
        self.kind = kind

    def find(self, name: str) -> Entry:
        """Look an entry up.

        Raises
        ------
        PhasebenchError
            There is none of that name.
        """
        if name not in self:
            raise unknown(self.kind, name, self)
        return self[name]

    def load(self, name: str) -> Any:
        """Import the object that an entry names.

        Raises
        ------
        PhasebenchError
            There is no entry of that name.
        """
        entry = self.find(name)
        return pkgutil.resolve_name(entry if isinstance(entry, str) else entry.target)


def unknown(kind: str, name: str, known: Iterable[str]) -> PhasebenchError:
    """The error for a name that is not registered."""
    return PhasebenchError(f"{kind} '{name}' is not known; choose one of {', '.join(sorted(known))}")
