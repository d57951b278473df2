"""The cache of code hashes answers for exactly the sources that it was made from."""

import os
from pathlib import Path

import pytest

from phasebench.codehash import cache, closure
from phasebench.codehash.cache import CACHE_FILE, digest_of_sources
from phasebench.codehash.closure import SourceTree

ROOTS = ("pkg.a:root",)
FILES = {
    "__init__.py": "",
    "a.py": "from pkg.b import one\n\ndef root():\n    return one() + 1\n",
    "b.py": "def one():\n    return 1\n",
    "typed.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose hashes were computed and kept."""
    folder = tmp_path / "pkg"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    tree = SourceTree(folder)
    tree.hashes(ROOTS)
    tree.save_hashes()
    return folder


def computed(package: Path) -> dict[str, str]:
    return SourceTree(package).closure(ROOTS).hashes


def test_a_second_process_parses_nothing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = computed(package)
    assert set(expected) == {"pkg.a", "pkg.b"}
    monkeypatch.setattr(closure, "parse_module", None)
    assert SourceTree(package).hashes(ROOTS) == expected
    with pytest.raises(TypeError):
        SourceTree(package).hashes(["pkg.b:one"])


def test_a_changed_byte_counts_whatever_size_and_time_say(package: Path) -> None:
    before, path = computed(package), package / "b.py"
    times = path.stat()
    path.write_text(FILES["b.py"].replace("return 1", "return 2"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert SourceTree(package).hashes(ROOTS) == computed(package) != before


@pytest.mark.parametrize(
    ("name", "text"),
    [("new.py", ""), ("sub/__init__.py", ""), ("typed.pyi", "X: int\n"), ("typed.py", "X = 2\n"), ("b.py", None)],
)
def test_every_file_counts(package: Path, name: str, text: str | None) -> None:
    before, path = digest_of_sources(package), package / name
    path.parent.mkdir(exist_ok=True)
    if text is None:
        path.rename(package / "c.py")
    else:
        path.write_text(text)
    assert digest_of_sources(package) != before


def test_a_linked_folder_counts(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/__init__.py").write_text("X = 1\n")
    (package / "linked").symlink_to(tmp_path / "elsewhere")
    before = digest_of_sources(package)
    (tmp_path / "elsewhere/__init__.py").write_text("X = 2\n")
    assert digest_of_sources(package) != before


def test_other_questions_have_other_answers(package: Path) -> None:
    tree = SourceTree(package)
    assert tree.hashes(["pkg.b:one"]) == tree.closure(["pkg.b:one"]).hashes != tree.hashes(ROOTS)
    tree.save_hashes()
    assert (package / CACHE_FILE).read_text().count("pkg.b:one") == 1


def test_hashes_of_a_package_that_changes_meanwhile_are_not_kept(package: Path) -> None:
    (package / "a.py").write_text(FILES["a.py"].replace("+ 1", "+ 2"))
    kept, tree = (package / CACHE_FILE).read_text(), SourceTree(package)
    tree.hashes(ROOTS)
    (package / "b.py").write_text(FILES["b.py"].replace("return 1", "return 2"))
    tree.save_hashes()
    assert (package / CACHE_FILE).read_text() == kept


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sources": 1}'])
def test_a_damaged_cache_is_no_cache(package: Path, content: str) -> None:
    (package / CACHE_FILE).write_text(content)
    assert SourceTree(package).hashes(ROOTS) == computed(package)


def test_a_folder_that_cannot_be_written_keeps_nothing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / CACHE_FILE).unlink()
    monkeypatch.setattr(cache, "CACHE_FILE", "a.py/code_hashes.json")
    tree = SourceTree(package)
    assert tree.hashes(ROOTS) == computed(package)
    tree.save_hashes()
    assert not (package / CACHE_FILE).exists()
