import subprocess
from pathlib import Path

from phasebench.provenance.seals import is_sealed_as_is, seal


def test_a_seal_is_what_sha256sum_reads(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"content")
    seal([path])
    check = ["sha256sum", "--check", "table.parquet.sha256"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, text=True).stdout == "table.parquet: OK\n"


def test_a_seal_tells_changed_tables_from_those_without_one(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"content")
    assert is_sealed_as_is(path) is None
    seal([path])
    assert is_sealed_as_is(path) is True
    path.write_bytes(b"contend")
    assert is_sealed_as_is(path) is False
    seal([path])
    assert is_sealed_as_is(path) is True
