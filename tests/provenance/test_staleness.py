"""How a result differs from what it would be made from now."""

from pathlib import Path

import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, sha256_of_text
from phasebench.provenance.staleness import Change, PreparedData, run_changes
from phasebench.specs.paths import PLANNED_FROM, Prepared

HASHES = [sha256_of_text(text) for text in ("first", "second")]


def spec(**parts: object) -> str:
    return canonical_json({"options": {"n": 1}, "code": {}, "environment": {}, "raw": {"a": "1"}, **parts})


def in_shards(folder: Path, current: str, recorded: str | None) -> PreparedData:
    """A data set of images in shards, planned from a spec file."""
    (folder / "images").mkdir()
    (folder / "images.h5").touch()
    (folder / "images.json").write_text('{"n_train": 3}')
    if recorded is not None:
        (folder / "images" / PLANNED_FROM).write_text(recorded)
    return PreparedData("images", True, Prepared(folder), current)


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        (spec(), []),
        (spec(options={"n": 2}), ["options.n 2 -> 1"]),
        (spec(raw={"b": "1"}), ["raw a", "raw b"]),
        (spec(code={"phasebench.data": HASHES[0]}), ["code phasebench.data"]),
        (spec(environment={"h5py": "3.0"}), ["h5py 3.0 -> nothing"]),
        # The same content in another layout; no spec file at all.
        (spec().replace("\n", " "), ["spec file"]),
        ("{", ["spec file"]),
        (None, ["spec file"]),
    ],
)
def test_a_data_set_in_shards_remembers_what_it_was_planned_from(
    tmp_path: Path, recorded: str | None, told: list[str]
) -> None:
    data = in_shards(tmp_path, spec(), recorded)
    assert [str(change) for change in data.changes] == told
    # Whether a shard changes, and so the runs, shows when they have been planned anew.
    (tmp_path / "spec.json").write_text(spec())
    assert run_changes(spec(), tmp_path, {"data_manifest": data.digest}, data) == []


def test_nothing_is_stale_that_is_not_there(tmp_path: Path) -> None:
    data = PreparedData("images", True, Prepared(tmp_path), spec())
    assert (data.is_there, data.digest, data.changes) == (False, None, ())


def test_a_damaged_prepared_file_is_named(tmp_path: Path) -> None:
    for suffix in ("h5", "json"):
        (tmp_path / f"images.{suffix}").write_text("{")
    with pytest.raises(PhasebenchError, match=r"images\.h5: no complete HDF5 file .*; prepare the data set again"):
        _ = PreparedData("images", False, Prepared(tmp_path), spec()).changes


def test_data_that_a_run_knows_by_checksum_alone(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(spec())
    data = in_shards(tmp_path, spec(), spec())
    (change,) = run_changes(spec(), tmp_path, {"data_manifest": HASHES[0]}, data)
    assert (change.subject, str(change), change.before, change.after) == ("data", "data images", HASHES[0], data.digest)
    (change,) = run_changes(spec(), tmp_path, {"data_manifest": HASHES[0], "data": {"n_train": 2}}, data)
    assert str(change) == "data images n_train 2 -> 3"


def test_hashes_are_cut_short() -> None:
    change = Change("code", "module", *HASHES)
    assert change.with_values == f"module: {HASHES[0][:12]} -> {HASHES[1][:12]}"
    assert Change("spec", "n", "1", "2").with_values == "n: 1 -> 2"
