"""Runs of two folders on one page: packed in one, checked and imported into the other."""

import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from support.finished_runs import finish_whole, plan_tiny
from support.tiny_benchmark import STUDY, copy_checkout, keep_one_evaluation

from phasebench.analysis.finished import read_run
from phasebench.cli.main import app
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.provenance.packages import import_package, pack_results, read_index_of
from phasebench.provenance.status import Checkout
from phasebench.reporting.page.build import build_report
from phasebench.specs.paths import logs_of, prepared_of, results_of
from phasebench.specs.stage import StageIdentity, read_identity
from phasebench.tables.aggregate import aggregate_results
from phasebench.tables.unfinished import Unfinished

TYPE_E = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_e/seed0"
TYPE_I = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_i/seed0"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two copies of a checkout; the first has finished one of the two runs, and the second both."""
    folders = tuple(copy_checkout(tmp_path_factory.mktemp(name)) for name in ("here", "there"))
    for folder, runs in zip(folders, ([TYPE_I], [TYPE_I, TYPE_E]), strict=True):
        (folder / "config.yaml").write_text(f"scale: tiny\nsuites: [{STUDY}]\n")
        keep_one_evaluation(folder)
        finish_whole(folder, runs)
    return folders[0], folders[1]


@pytest.fixture
def here(clusters: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder of results of one's own."""
    return Path(shutil.copytree(clusters[0], tmp_path / "here", symlinks=True))


@pytest.fixture
def package(clusters: tuple[Path, Path], tmp_path: Path) -> Path:
    """What the other cluster has sent."""
    return pack(clusters[1], tmp_path / "there.zip", STUDY)


def pack(checkout: Path, output: Path, *names: str, with_weights: bool = False) -> Path:
    results, prepared = results_of("tiny", checkout), prepared_of("tiny", checkout)
    pack_results(results, prepared, names, output, scale="tiny", origin="cluster B", with_weights=with_weights)
    return output


def change(package: Path, member: str, content: bytes, *, known: bool) -> None:
    """Replace a file in a package, and its checksum too if it is to be known."""
    with zipfile.ZipFile(package) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert member in members
    members[member] = content
    if known:
        (changed := package.with_name("changed")).write_bytes(content)
        index = json.loads(members["phasebench.json"])
        index["runs"][TYPE_E][member.rpartition("seed0/")[2]] = sha256_of_file(changed)
        members["phasebench.json"] = json.dumps(index).encode()
    with zipfile.ZipFile(package, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_two_folders_make_one_page(here: Path, package: Path) -> None:
    # The data set that the imported run was trained on need not be here.
    shutil.rmtree(here / "results/tiny/runs")
    shutil.rmtree(here / "data")
    found = import_package(package, Checkout(here, with_missing_data=True))
    assert (found.origin, set(found.runs), found.left_out) == ("cluster B", {TYPE_I, TYPE_E}, {})
    shutil.rmtree(here / "results/tiny/runs" / TYPE_I)
    plan = plan_tiny(here)
    assert (plan.imported, plan.runs_made_here) == ({TYPE_E: "cluster B"}, (TYPE_I,))
    # Without the data, analyses find the names of the classes beside the run.
    assert len(read_run(here / "results/tiny/runs" / TYPE_E, here / "data").classes) > 1
    finish_whole(here, [TYPE_I])
    results, page = results_of("tiny", here), here / "page"
    spec = read_identity(StageIdentity, results.spec("aggregate"))
    unfinished = Unfinished(results, logs_of("tiny", here), prepared_of("tiny", here))
    aggregate_results(spec, results.folder, here / "tables", unfinished)
    runs = pd.read_parquet(here / "tables/runs.parquet").set_index("run")
    assert runs["origin"].to_dict() == {TYPE_I: "", TYPE_E: "cluster B"}
    metrics = pd.read_parquet(here / "tables/metrics.parquet")
    assert set(metrics[metrics["metric"] == "rotation_accuracy"]["run"]) == {TYPE_I, TYPE_E}
    build_report(here / "tables", page, here / "logs")
    text = (page / "benchmark.html").read_text()
    assert "1 run from cluster B" in text
    assert text.count('<td class="text">cluster B</td>') == text.count('<td class="text">here</td>') == 1
    assert Checkout(here).status_of(TYPE_E).reason == "imported from cluster B"


def test_what_is_finished_here_stays(here: Path, package: Path) -> None:
    before = (here / "results/tiny/runs" / TYPE_I / "run.json").read_bytes()
    found = import_package(package, Checkout(here))
    assert (found.runs, found.left_out, found.lacking) == ([TYPE_E], {TYPE_I: "is finished here"}, {})
    assert (here / "results/tiny/runs" / TYPE_I / "run.json").read_bytes() == before
    # Once more brings the same, and nobody passes on what others have made.
    assert import_package(package, Checkout(here)).runs == [TYPE_E]
    with pytest.raises(PhasebenchError, match="no finished run there"):
        pack(here, here / "again.zip", TYPE_E)


def test_a_package_comes_twice_where_nothing_but_its_data_is(here: Path, package: Path) -> None:
    shutil.rmtree(here / "results/tiny/runs")
    for _ in range(2):
        found = import_package(package, Checkout(here))
        assert (set(found.runs), found.left_out) == ({TYPE_I, TYPE_E}, {})


def test_what_is_made_again_here_has_the_classes_of_the_data_here(here: Path) -> None:
    classes = read_run(here / "results/tiny/runs" / TYPE_I, here / "data/prepared/tiny").classes
    # As an import before has left it.
    (here / "results/tiny/runs" / TYPE_I / "manifest.json").write_text('{"classes": ["x"]}')
    assert read_run(here / "results/tiny/runs" / TYPE_I, here / "data/prepared/tiny").classes == classes


def test_any_changed_byte_of_the_index_is_found(package: Path) -> None:
    whole = package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        index = archive.getinfo("phasebench.json")
    # Behind the local header of 30 bytes and the name lies the compressed text; its last byte may be only its end.
    begin = index.header_offset + 30 + len(index.filename)
    for position in range(begin, begin + index.compress_size - 1):
        package.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        with pytest.raises(PhasebenchError, match=r"there\.zip: not a complete package of results"):
            read_index_of(package)


def test_an_index_of_something_else_is_named_with_the_package(package: Path) -> None:
    change(package, "phasebench.json", b'{"scale": 3}', known=False)
    with pytest.raises(PhasebenchError, match=r"there\.zip: phasebench\.json: \w+: .*ask for the package again$"):
        read_index_of(package)


def test_a_stale_run_is_not_imported_and_an_imported_one_gets_stale(here: Path, package: Path) -> None:
    scale = here / "workflow/scales/tiny.yaml"
    planned = scale.read_text()
    scale.write_text(planned.replace("batch_size: 16", "batch_size: 8"))
    found = import_package(package, Checkout(here))
    assert found.runs == []
    expected = "was made from something else than is planned here: recipe.batch_size 16 -> 8"
    assert found.left_out == {TYPE_I: expected, TYPE_E: expected}
    scale.write_text(planned)
    import_package(package, Checkout(here))
    assert set(plan_tiny(here).imported) == {TYPE_E}
    scale.write_text(planned.replace("batch_size: 16", "batch_size: 8"))
    assert set(plan_tiny(here).imported) == set()


@pytest.mark.parametrize(
    ("file", "content", "known", "complaint"),
    [
        ("history.parquet", b"cut", False, "has another checksum than in phasebench.json"),
        ("history.parquet", b"other", True, "has 5 bytes instead of"),
        ("run.json", b"{}", True, "the key is missing"),
        ("manifest.json", b"{}", True, "is not of the data"),
    ],
)
def test_a_damaged_package_leaves_everything_as_it_was(
    here: Path, package: Path, file: str, content: bytes, known: bool, complaint: str
) -> None:
    change(package, f"runs/{TYPE_E}/{file}", content, known=known)
    before = sorted(here.rglob("*"))
    with pytest.raises(PhasebenchError, match=complaint):
        import_package(package, Checkout(here))
    assert sorted(here.rglob("*")) == before


def test_weights_come_if_asked_for(clusters: tuple[Path, Path], tmp_path: Path) -> None:
    plain, whole = (pack(clusters[1], tmp_path / str(asked), TYPE_E, with_weights=asked) for asked in (False, True))
    names = [set(zipfile.ZipFile(path).namelist()) for path in (plain, whole)]
    assert names[1] - names[0] == {f"runs/{TYPE_E}/weights.safetensors"}
    assert plain.read_bytes() == pack(clusters[1], tmp_path / "again", TYPE_E).read_bytes()


def test_the_commands(
    clusters: tuple[Path, Path], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = here / "there.zip"
    monkeypatch.chdir(clusters[1])
    app(["submit-result", TYPE_E, "--from", "B", "--output", str(package)], standalone_mode=False)
    monkeypatch.chdir(here)
    suite = Path(f"workflow/suites/{STUDY}.yaml")
    suite.write_text(suite.read_text().replace("rotation: {}", "confidence: {}\n      rotation: {}"))
    for _ in range(2):
        app(["import", str(package)], standalone_mode=False)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{package}: 1 run, ")
    assert told[0].endswith(sha256_of_file(package))
    assert told[1] == f"{package}: 1 run from B imported into results/tiny"
    # The second time too, when the plan asks the imported run for nothing else than it has.
    lacking = f"{package}: evaluation 'confidence' is missing or not current: {TYPE_E}; it cannot be made here"
    assert sum(line.startswith(lacking) for line in told) == 2
