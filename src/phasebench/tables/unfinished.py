"""Unfinished results: what a preview has to do without, in which state each is, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_json, sha256_of_file
from phasebench.common.logs import last_line, logged_failure
from phasebench.provenance.record import ORIGIN, origin
from phasebench.specs.paths import Logs, Prepared, Results
from phasebench.specs.run import COORDINATES
from phasebench.specs.run_folder import REMEDY
from phasebench.tables.schema import COLUMNS
from phasebench.training.run_lock import is_locked

NOT_STARTED, RUNNING, STARTED, FAILED = "not started", "running", "started", "failed"
DAMAGED, STALE = "damaged", "stale"
STATES = (RUNNING, STARTED, FAILED, DAMAGED, STALE, NOT_STARTED)
"""``started`` is what was begun and does not run, as after a kill: it goes on from its checkpoint."""
RUN = "run"
"""Value of the column ``what`` of a whole run; of its evaluations and other results it begins with their kind."""
_PREPARATIONS = ("prepare", "plan_shards", "gather_shards")
_MOST_NAMED = 10


class StaleResultError(PhasebenchError):
    """A result that was made from something else than it would be made from now."""


class NotThereError(PhasebenchError):
    """A result that is not finished, or not even begun."""


class Unfinished:
    """Results that are not there, or not to be used.

    Parameters
    ----------
    results : Results
        Of the scale.
    logs : Logs, optional
        Of the scale. Without them nothing may be missing: errors are raised, and staleness is left to the workflow.
    prepared : Prepared, optional
        The prepared data sets of the scale, by which runs on other data are stale.
    """

    def __init__(self, results: Results, logs: Logs | None = None, prepared: Prepared | None = None) -> None:
        self._results, self._logs, self._prepared = results, logs, prepared
        self._rows: list[dict[str, Any]] = []
        self._digests: dict[str, str | None] = {}

    @property
    def is_allowed(self) -> bool:
        """True if what cannot be used is noted and left out."""
        return self._logs is not None

    def check_data(self, record: Mapping[str, Any]) -> None:
        """Compare the prepared data that a run was trained on with those that are there.

        Raises
        ------
        StaleResultError
            They differ.
        """
        dataset = str(record["spec"]["dataset"])
        if self._prepared is not None and dataset not in self._digests:
            manifest = self._prepared.manifest(dataset)
            self._digests[dataset] = sha256_of_file(manifest) if manifest.is_file() else None
        digest = self._digests.get(dataset)
        if digest is not None and record.get("data_manifest") != digest:
            raise StaleResultError(f"the data set {dataset} has been prepared anew")

    def check_origin(self, table: pd.DataFrame, spec: Path, records: Iterable[Path] | None) -> None:
        """Compare what a table states that it was made from with what is there.

        Parameters
        ----------
        table
            With the attribute ``origin``.
        spec
            Its spec file.
        records
            The other files that it is made from; None if they are not compared.

        Raises
        ------
        StaleResultError
            They differ.
        PhasebenchError
            One of these files is missing.
        """
        if not self.is_allowed:
            return
        current, recorded = origin(spec, records or ()), table.attrs.get(ORIGIN) or {}
        compared = current.keys() if records is not None else ("spec",)
        if any(recorded.get(key) != current[key] for key in compared):
            raise StaleResultError("made from other settings, code or runs than there are now")

    def need(self, path: Path) -> None:
        """Raise NotThereError unless there is such a file."""
        if not path.is_file():
            raise NotThereError(f"{path}: there is no such file; {REMEDY}")

    @contextmanager
    def noted(self, what: str, rule: str, name: str, keys: Mapping[str, Any]) -> Iterator[None]:
        """Note what the block cannot read; where nothing may be missing, the error goes on.

        Parameters
        ----------
        what
            The kind of the result and its name.
        rule, name
            The job that makes it, as its log is called.
        keys
            Columns that tell what it is of.
        """
        try:
            yield
        except StaleResultError as error:
            self._note(what, keys, STALE, str(error), error)
        except NotThereError as error:
            self._note(what, keys, *self._why_missing(rule, name), error)
        except PhasebenchError as error:
            self._note(what, keys, DAMAGED, str(error), error)

    def table(self) -> pd.DataFrame:
        """One row per result that is missing or not used."""
        return pd.DataFrame(self._rows, columns=list(COLUMNS["unfinished"]))

    def keys_of(self, run_id: str) -> dict[str, Any]:
        """Coordinates of a planned run, by its spec file.

        Raises
        ------
        PhasebenchError
            There is none, or it is damaged.
        """
        spec = read_json(self._results.spec("runs", run_id), "run snakemake -n to write it again", ["run"])["run"]
        return {"run": run_id, **{name: spec.get(name) for name in COORDINATES}}

    def _note(self, what: str, keys: Mapping[str, Any], state: str, reason: str, error: Exception) -> None:
        if self._logs is None:
            raise error
        self._rows.append({**keys, "what": what, "state": state, "reason": reason})

    def _why_missing(self, rule: str, name: str) -> tuple[str, str]:
        if self._logs is None:
            return NOT_STARTED, ""
        log = self._logs.log(rule, name)
        if rule == "train":
            if is_locked(self._results.run(name)):
                return RUNNING, last_line(log)
            spec = self._results.spec("runs", name)
            if not logged_failure(log) and self._results.checkpoint(sha256_of_file(spec)).is_file():
                return STARTED, last_line(log)
        if failure := logged_failure(log):
            return FAILED, failure
        if log.is_file():
            return STARTED, last_line(log)
        return NOT_STARTED, self._failed_preparation(name) if rule == "train" else ""

    def _failed_preparation(self, run_id: str) -> str:
        dataset = self.keys_of(run_id)["dataset"]
        assert self._logs is not None
        for rule in _PREPARATIONS:
            if failure := logged_failure(self._logs.log(rule, dataset)):
                return f"data set {dataset} failed: {failure}"
        return ""


def progress_lines(unfinished: pd.DataFrame, planned: int) -> list[str]:
    """Counts of runs by state, and each failure with its reason, as lines for people.

    Parameters
    ----------
    unfinished
        The table of that name.
    planned
        Number of all runs.
    """
    runs = unfinished[unfinished["what"] == RUN]
    states = Counter(runs["state"])
    counts = [f"{planned - len(runs)} done", *(f"{states[state]} {state}" for state in STATES if states[state])]
    lines = [f"{planned} runs: {', '.join(counts)}"]
    told = unfinished[unfinished["state"].isin((FAILED, DAMAGED))]
    for row in told.head(_MOST_NAMED).to_dict("records"):
        name = row["run"] if isinstance(row["run"], str) and row["run"] else f"{row['suite']}/{row['experiment']}"
        what = "" if row["what"] == RUN else f" ({row['what']})"
        lines.append(f"{row['state']}: {name}{what}: {row['reason']}")
    waiting = runs[(runs["state"] == NOT_STARTED) & (runs["reason"] != "")]
    lines += [f"{NOT_STARTED}: {count} of these runs: {reason}" for reason, count in Counter(waiting["reason"]).items()]
    if len(told) > _MOST_NAMED:
        lines.append(f"and {len(told) - _MOST_NAMED} more, listed on the page")
    return lines
