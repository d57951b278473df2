"""Staleness of a result: whether it would be made from something else now, and the reasons."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from phasebench.common.files import sha256_of_file, sha256_of_text
from phasebench.provenance.record import manifest_facts
from phasebench.specs.paths import Prepared
from phasebench.specs.run_folder import SPEC

_ABSENT = "nothing"
_HASH = re.compile(r'"?[0-9a-f]{64}"?')
_SHORT = 12
# Parts of a spec file that map names to hashes or versions; all else is settings.
_PARTS: Mapping[str, Literal["code", "environment", "raw"]] = {
    "code": "code",
    "environment": "environment",
    "raw": "raw",
}


@dataclass(frozen=True)
class Change:
    """One difference between what a result was made from and what it would be made from now."""

    subject: Literal["spec", "code", "environment", "raw", "data"]
    """Part of the provenance that the difference is in."""
    name: str
    """Key of the spec, module, package, raw file; or the data set and what of it."""
    before: str
    """The old value; of code and files the hash."""
    after: str
    """The new value."""

    def __str__(self) -> str:
        return self.label if self._is_hashed else f"{self.label} {self.before} -> {self.after}"

    @property
    def label(self) -> str:
        """Name of the change, without its values."""
        return f"{self.subject} {self.name}" if self.subject in ("code", "raw", "data") else self.name

    @property
    def with_values(self) -> str:
        """The name and both values, hashes cut short."""
        return f"{self.name}: {_shortened(self.before)} -> {_shortened(self.after)}"

    @property
    def _is_hashed(self) -> bool:
        return self.subject in ("code", "raw") or any(_HASH.fullmatch(value) for value in (self.before, self.after))


class PreparedData:
    """A data set as it lies prepared, read once for all its runs.

    Parameters
    ----------
    name : str
        Which one.
    in_shards : bool
        Whether it is prepared as shards.
    prepared : Prepared
        The prepared data sets of the scale.
    spec : str
        The text of its spec file as it is now.
    """

    def __init__(self, name: str, in_shards: bool, prepared: Prepared, spec: str) -> None:
        self.name, self.in_shards = name, in_shards
        self.data, self.manifest = prepared.data(name), prepared.manifest(name)
        self._prepared, self._spec = prepared, spec

    @cached_property
    def is_there(self) -> bool:
        """True if it is prepared at all."""
        return self.manifest.is_file() and self.data.is_file()

    @cached_property
    def digest(self) -> str | None:
        """Checksum of the manifest, which identifies the content."""
        return sha256_of_file(self.manifest) if self.manifest.is_file() else None

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Single values of the manifest."""
        return manifest_facts(self.manifest)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Reasons why it is stale; empty where it is not, or is not there.

        Raises
        ------
        PhasebenchError
            The prepared file is damaged.
        """
        return tuple(_spec_changes(self._recorded(), self._spec)) if self.is_there and self._spec else ()

    def _recorded(self) -> str:
        """The spec file that it was made from; its checksum, where it was made before the text was kept."""
        if self.in_shards:
            path = self._prepared.shard_spec(self.name)
            return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        # Here, since h5py is not needed before a data set was prepared.
        from phasebench.data.store import read_prepared_from

        return read_prepared_from(self.data)


def run_changes(spec: str, folder: Path, record: Mapping[str, Any], data: PreparedData) -> list[Change]:
    """Reasons why a finished run is stale.

    Parameters
    ----------
    spec : str
        The text of its spec file as it is now.
    folder : Path
        The run's.
    record : mapping
        Its ``run.json``.
    data : PreparedData
        What it was trained on. Data that are not prepared make no run stale, data that are to be prepared anew do. A
        run that does not say what it was trained on is stale.

    Returns
    -------
    list of Change
        Empty where the run is current.

    Raises
    ------
    PhasebenchError
        A file is damaged.
    """
    stored = folder / SPEC
    changes = _spec_changes(stored.read_text(encoding="utf-8", errors="replace") if stored.is_file() else "", spec)
    if data.digest is not None and record.get("data_manifest") != data.digest:
        changes += _content_changes(record, data)
    # Shards are planned anew first, which may well leave each as it is.
    causes = () if data.in_shards else data.changes
    return [*changes, *(Change("data", f"{data.name} {one.label}", one.before, one.after) for one in causes)]


def _spec_changes(recorded: str, current: str) -> list[Change]:
    """Differences of the spec file that a result was made from to the text of the current one."""
    if recorded in (current, sha256_of_text(current)):
        return []
    try:
        before = _mapping(json.loads(recorded))
    except (ValueError, RecursionError):
        before = {}
    after = json.loads(current)
    changes = _compared("spec", _settings(before), _settings(after)) if before else []
    for part, subject in _PARTS.items() if before else ():
        changes += _compared(subject, _texts(before.get(part)), after.get(part, {}))
    # Not even a layout may differ; and of what is no spec file, nothing more can be said.
    return changes or [
        Change("spec", "spec file", sha256_of_text(recorded) if recorded else _ABSENT, sha256_of_text(current))
    ]


def _settings(spec: dict[str, Any]) -> dict[str, str]:
    return _flat(
        {**{key: value for key, value in spec.items() if key not in (*_PARTS, "run")}, **_mapping(spec.get("run"))}
    )


def _mapping(value: Any) -> dict[str, Any]:
    """A part of a file that anybody may have changed; empty where it is no mapping."""
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, str]:
    return {name: str(one) for name, one in _mapping(value).items()}


def _content_changes(record: Mapping[str, Any], data: PreparedData) -> list[Change]:
    """Differences of the data themselves, as far as the run remembers."""
    before, after = _flat(_mapping(record.get("data"))), _flat(data.facts)
    found = [
        Change("data", f"{data.name} {change.name}", change.before, change.after)
        for change in _compared("spec", before, after)
    ]
    return (
        found
        if before and found
        else [Change("data", data.name, str(record.get("data_manifest") or _ABSENT), str(data.digest))]
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested keys joined by dots, values as JSON."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = json.dumps(value)
    return found


def _compared(
    subject: Literal["spec", "code", "environment", "raw"], before: Mapping[str, str], after: Mapping[str, str]
) -> list[Change]:
    return [
        Change(subject, name, before.get(name, _ABSENT), after.get(name, _ABSENT))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _shortened(value: str) -> str:
    return value.strip('"')[:_SHORT] if _HASH.fullmatch(value) else value
