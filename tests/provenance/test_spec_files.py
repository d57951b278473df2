"""The spec files: what they hold, and which of them change after which edit."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.checkout import ROOT
from support.edits import EditFile, added, changed, decorated, pinned_anew, reworded, with_key
from support.shipped import SUITES, shipped_suite

from phasebench.claims.published import read_published
from phasebench.codehash.cache import CACHE_FILE
from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.models.registry import REGISTRY
from phasebench.plan.registries import MODELS_TABLE
from phasebench.provenance.raw_inputs import record_downloads
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.provenance.stage_code import evaluation_code, own_source, run_code, source_tree
from phasebench.specs.run import RunIdentity
from phasebench.specs.stage import DatasetIdentity, StageIdentity, read_identity

ANALYSES = {f"analyses/co_domain_symmetry/{name}" for name in ("table_1/bias_variance", "table_2/trend")}
STUDY = "co_domain_symmetry"
BASELINES, PROPERTIES = f"baselines/{STUDY}", f"properties/{STUDY}"
# The layers in the order of the paper's text are trained at no scale of the tests.
MODELS = {name for name, entry in REGISTRY.items() if entry.study == STUDY} - {"mstar_cds_text"}
TYPE_E = "cifarnet_type_e"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the spec files are made from, whose demo has many networks, also such as take long."""
    for folder in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/support/wide_scale.yaml", tmp_path / "workflow/scales/demo.yaml")
    return tmp_path


def write(checkout: Path, **config: Any) -> set[str]:
    """Write the spec files; return the names of those whose bytes changed, without ``.json``."""
    specs = checkout / "results" / config.get("scale", "demo") / "specs"
    before = {path: path.read_bytes() for path in specs.rglob("*.json")}
    settings = {"scale": "demo", "suites": [STUDY], **config}
    plan_benchmark(settings, checkout, checkout / "results", write=True)
    after = {path: path.read_bytes() for path in specs.rglob("*.json")}
    return {str(path.relative_to(specs)).removesuffix(".json") for path in after if before.get(path) != after[path]}


def runs_of(names: set[str]) -> set[str]:
    """The models whose runs are among the changed spec files."""
    return {name.split("/")[4] for name in names if name.startswith("runs/")}


def test_every_stage_has_a_spec_file(checkout: Path) -> None:
    names = write(checkout)
    stages = {name.split("/")[0] for name in names}
    assert stages == {"runs", "datasets", "evaluations", "analyses", "baselines", "properties", "aggregate", "report"}
    specs = checkout / "results" / "demo" / "specs"
    run = read_identity(RunIdentity, specs / f"runs/{STUDY}/table_1/colour_shapes-lab/{TYPE_E}/seed1.json")
    assert (run.run.seed, run.run.stands_in_for, run.environment["torch"]) == (1, "cifar10", "2.13.0")
    assert {
        "phasebench.training.minibatch",
        "phasebench.models.cifarnet",
        "phasebench.data.encodings.colour",
    } <= run.code.keys()
    assert "phasebench.models.mstar" not in run.code
    dataset = read_identity(DatasetIdentity, specs / "datasets/colour_shapes.json")
    assert (dataset.source, dataset.options["n_train"]) == ("colour_shapes", 3000)
    assert {"phasebench.data.sources.images.colour_shapes", "phasebench.data.store"} <= dataset.code.keys()
    evaluation = read_identity(StageIdentity, specs / "evaluations/rotation.json")
    assert evaluation.settings == {"evaluation": "rotation"}
    assert "phasebench.evaluation.rotation" in evaluation.code
    analysis = read_identity(StageIdentity, specs / f"analyses/{STUDY}/table_2/trend.json")
    assert len(analysis.settings["runs"]) == 14
    assert {row["experiment"] for row in analysis.settings["published"]} == {"table_2"}
    assert "phasebench.analysis.trend" in analysis.code
    assert "phasebench.analysis.bias_variance" not in analysis.code
    report = read_identity(StageIdentity, specs / "report.json")
    template = "benchmark.html.j2"
    assert report.settings["templates"][template] == sha256_of_file(
        ROOT / "src/phasebench/reporting/templates" / template
    )


def test_a_runs_digest_is_the_hash_of_its_spec_file(checkout: Path) -> None:
    write(checkout)
    for path in (checkout / "results/demo/specs/runs").rglob("*.json"):
        assert read_identity(RunIdentity, path).digest == sha256_of_file(path)


def test_the_aggregation_knows_all_it_needs(checkout: Path) -> None:
    write(checkout)
    settings = read_identity(StageIdentity, checkout / "results/demo/specs/aggregate.json").settings
    evaluations = settings["runs"][f"{STUDY}/table_1/digits-rgb/{TYPE_E}/seed0"]
    assert list(evaluations) == ["rotation"]
    assert (checkout / f"results/demo/specs/evaluations/{evaluations['rotation']}.json").is_file()
    assert settings["models"].keys() == REGISTRY.keys()
    published = {
        (row["dataset"], row["encoding"], row["model"]): row["value"]
        for row in settings["published"]
        if row["experiment"] == "table_1" and row["metric"] == "test_accuracy"
    }
    assert published["cifar100", "sliding", TYPE_E] == 0.4208


def test_a_spec_file_names_no_place(checkout: Path) -> None:
    names = write(checkout)
    texts = [path.read_text() for path in (checkout / "results").rglob("*.json")]
    assert len(texts) == len(names)
    for place in (checkout, ROOT, Path.home(), Path(tempfile.gettempdir())):
        assert not any(str(place) in text for text in texts)


def test_nothing_changes_without_an_edit(checkout: Path) -> None:
    assert write(checkout)
    assert write(checkout) == set()


def test_the_order_of_keys_and_a_touch_change_nothing_but_the_order_of_the_page(checkout: Path) -> None:
    write(checkout)
    for path in (*(checkout / "workflow").rglob("*.yaml"), *(checkout / "src").rglob("*.py")):
        path.touch()
    for path in (checkout / "workflow").rglob("*.yaml"):
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()), sort_keys=True))
    assert write(checkout) == {"aggregate"}


# An edit of the package -> the models whose runs it changes, and whether anything else changes.
EDITS = {
    "words of a layer that some reach": ("nn/complex/prototype.py", reworded, set()),
    "words of a layer that others reach": ("nn/complex/equivariant_norm.py", reworded, set()),
    "a network": ("models/cifarnet.py", changed("TypeE.__init__"), {TYPE_E, PROPERTIES}),
    "a constant beside a network": ("models/mstar.py", added, set()),
    "a constant beside an encoding": ("data/encodings/colour.py", added, set()),
    "a decorator in the training": ("training/loop.py", decorated("fit"), MODELS),
}


@pytest.mark.parametrize(("file", "edit", "models"), EDITS.values(), ids=EDITS)
def test_an_edit_of_the_code_changes_what_it_can_reach(
    checkout: Path, file: str, edit: EditFile, models: set[str]
) -> None:
    write(checkout)
    edit(checkout / "src/phasebench" / file)
    names = write(checkout)
    assert runs_of(names) | {name for name in names if not name.startswith("runs/")} == models


@pytest.mark.parametrize(
    ("field", "value", "changed"),
    [
        ("target", "phasebench.models.cifarnet:TypeI", {TYPE_E, PROPERTIES}),
        ("real", True, {TYPE_E, PROPERTIES}),
        ("options", {"bias": False}, {TYPE_E, PROPERTIES}),
        ("label", "Another name", {"aggregate"}),
        ("published_parameters", 1, {"aggregate", PROPERTIES}),
        ("input_shape", (1, 1, 1), {PROPERTIES}),
        ("invariant_to", (), {PROPERTIES}),
        ("guided_rule", "nothing", {"evaluations/filter_similarity-1000"}),
    ],
)
def test_an_edit_of_the_table_of_models(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: Any, changed: set[str]
) -> None:
    write(checkout)
    entry = dataclasses.replace(REGISTRY[TYPE_E], **{field: value})
    monkeypatch.setitem(REGISTRY, TYPE_E, entry)
    names = write(checkout)
    assert runs_of(names) | {name for name in names if not name.startswith("runs/")} == changed


def test_an_edit_of_a_template_changes_the_report_alone(checkout: Path) -> None:
    write(checkout)
    style = checkout / "src/phasebench/reporting/templates/style.css"
    style.write_text(style.read_text() + " ")
    assert write(checkout) == {"report"}


def test_a_run_is_identified_by_the_procedure_that_trains_it(checkout: Path) -> None:
    study = {"suites": ["phase_matters", "complex_cnn_analysis"]}
    write(checkout, **study)
    decorated("fit")(checkout / "src/phasebench/training/loop.py")
    batches = runs_of(write(checkout, **study))
    assert "lenet_complex" in batches
    assert not any(name.startswith("perceptron") for name in batches)
    decorated("descend")(checkout / "src/phasebench/training/full_batch.py")
    whole = runs_of(write(checkout, **study))
    assert {"perceptron_100", "perceptron_real_512_100"} <= whole
    assert all(name.startswith("perceptron") for name in whole)
    # Of the networks in one file, each run knows its own alone.
    changed("perceptron_20")(checkout / "src/phasebench/models/mlp.py")
    assert runs_of(write(checkout, **study)) == {"perceptron_20"}


def test_a_newer_package_changes_what_uses_its_environment(checkout: Path) -> None:
    write(checkout)
    pinned_anew("seaborn")(checkout / "envs/analysis.yaml")
    assert write(checkout) == {*ANALYSES, "aggregate", "report"}
    pinned_anew("torch")(checkout / "envs/train.yaml")
    assert runs_of(write(checkout)) == MODELS


def test_a_new_seed_adds_runs_and_changes_none(checkout: Path) -> None:
    write(checkout)
    with_key("seeds", value=[0, 1, 7])(checkout / "workflow/scales/demo.yaml")
    names = write(checkout)
    assert {name for name in names if not name.endswith("seed7")} == {*ANALYSES, BASELINES, "aggregate"}


def test_a_changed_recipe_changes_its_runs(checkout: Path) -> None:
    write(checkout)
    with_key("recipes", "mstar", "betas", value=[0.9, 0.98])(checkout / f"workflow/suites/{STUDY}.yaml")
    assert runs_of(write(checkout)) == {"mstar_cds", "mstar_real", "mstar_surreal"}


def test_where_data_lie_on_this_machine_is_no_part_of_an_identity(checkout: Path) -> None:
    write(checkout)
    assert write(checkout, data_root="/elsewhere", download=True, device="cpu") == set()


def test_scales_do_not_mix(checkout: Path) -> None:
    write(checkout)
    batch = checkout / "data/raw/cifar-10-batches-py/data_batch_1"
    batch.parent.mkdir(parents=True)
    batch.touch()
    write(checkout, scale="small")
    spec = checkout / f"results/small/specs/runs/{STUDY}/table_1/cifar10-lab/{TYPE_E}/seed0.json"
    assert json.loads(spec.read_text())["run"]["scale"] == "small"


def test_jobs_compare_their_code_without_parsing_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(checkout)
    monkeypatch.setattr(SourceTree, "closure", None)
    specs, tree = checkout / "results/demo/specs", source_tree(checkout / "src/phasebench")
    runs = [read_identity(RunIdentity, path) for path in (specs / "runs").rglob("*.json")]
    assert runs
    assert all(run_code(tree, identity.run) == identity.code for identity in runs)
    for path in (specs / "evaluations").iterdir():
        identity = read_identity(StageIdentity, path)
        assert evaluation_code(tree, identity.settings["evaluation"]) == identity.code


def test_planning_alone_writes_nothing(checkout: Path) -> None:
    plan_benchmark({"scale": "demo", "suites": [STUDY]}, checkout, checkout / "results", write=False)
    assert not (checkout / "results").exists()
    assert not (checkout / "src/phasebench" / CACHE_FILE).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"spec\.json: content: not complete JSON; run snakemake to write the file again"),
        (b'{"stage": "report"}', r"spec\.json: key 'settings' is missing; run snakemake"),
        (None, r"spec\.json: cannot be read: No such file"),
    ],
)
def test_spec_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "spec.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PhasebenchError, match=message):
        read_identity(StageIdentity, path)


def raw_of(checkout: Path, dataset: str) -> dict[str, str]:
    path = checkout / f"results/demo/specs/datasets/{dataset}.json"
    return read_identity(DatasetIdentity, path).raw


def pretend_prepared(checkout: Path) -> Path:
    """Leave the files of a prepared data set; return that of the data."""
    folder = checkout / "data/prepared/demo"
    folder.mkdir(parents=True)
    for name in ("own.json", "own.h5"):
        (folder / name).touch()
    return folder / "own.h5"


def use(source: str, **options: Any) -> dict[str, Any]:
    chosen = {"mstar": {"name": "own", "source": source, "options": options}}
    return {"data_root": "raw", "datasets": chosen}


def test_a_changed_raw_file_changes_its_data_set_alone(checkout: Path) -> None:
    chip = checkout / "raw/mstar/17_DEG/BMP2/HB1.000"
    chip.parent.mkdir(parents=True)
    chip.write_text("first")
    assert "datasets/own" in write(checkout, **use("mstar"))
    assert raw_of(checkout, "own") == {"mstar/17_DEG/BMP2/HB1.000": sha256_of_file(chip)}
    chip.touch()
    assert write(checkout, **use("mstar")) == set()
    chip.write_text("second")
    assert write(checkout, **use("mstar")) == {"datasets/own"}
    # Whoever has the prepared data needs the raw ones no more.
    pretend_prepared(checkout)
    shutil.rmtree(checkout / "raw")
    assert write(checkout, **use("mstar")) == set()
    # Another source never had them.
    write(checkout, **use("digits"))
    assert raw_of(checkout, "own") == {}


def test_what_was_downloaded_is_no_change_until_it_is_replaced(checkout: Path) -> None:
    write(checkout, **use("cifar10"), download=True)
    spec = checkout / "results/demo/specs/datasets/own.json"
    batch = checkout / "raw/cifar-10-batches-py/data_batch_1"
    batch.parent.mkdir(parents=True)
    batch.write_text("downloaded")
    prepared = pretend_prepared(checkout)
    record_downloads(read_identity(DatasetIdentity, spec), checkout / "raw", prepared)
    for _ in range(2):
        assert write(checkout, **use("cifar10"), download=True) == set()
    batch.write_text("replaced")
    assert write(checkout, **use("cifar10"), download=True) == {"datasets/own"}
    assert raw_of(checkout, "own") == {"cifar-10-batches-py/data_batch_1": sha256_of_file(batch)}
    # Taken back, it is what the data were made from.
    batch.write_text("downloaded")
    assert write(checkout, **use("cifar10"), download=True) == {"datasets/own"}
    assert raw_of(checkout, "own") == {}
    # Prepared again from another file, the data need no record.
    batch.write_text("replaced")
    write(checkout, **use("cifar10"), download=True)
    record_downloads(read_identity(DatasetIdentity, spec), checkout / "raw", prepared)
    assert write(checkout, **use("cifar10"), download=True) == set()
    batch.write_text("downloaded")
    assert write(checkout, **use("cifar10"), download=True) == {"datasets/own"}
    assert raw_of(checkout, "own") == {"cifar-10-batches-py/data_batch_1": sha256_of_file(batch)}


def test_a_part_that_was_downloaded_is_no_change(checkout: Path) -> None:
    folder = checkout / "raw/cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_text("there")
    write(checkout, **use("cifar10"), download=True)
    (folder / "test_batch").write_text("downloaded")
    prepared = pretend_prepared(checkout)
    identity = read_identity(DatasetIdentity, checkout / "results/demo/specs/datasets/own.json")
    record_downloads(identity, checkout / "raw", prepared)
    assert write(checkout, **use("cifar10"), download=True) == set()
    (folder / "data_batch_1").write_text("replaced")
    assert write(checkout, **use("cifar10"), download=True) == {"datasets/own"}


def test_a_download_of_an_older_version_is_no_change(checkout: Path) -> None:
    write(checkout, **use("cifar10"), download=True)
    batch = checkout / "raw/cifar-10-batches-py/data_batch_1"
    batch.parent.mkdir(parents=True)
    batch.touch()
    prepared = pretend_prepared(checkout)
    assert write(checkout, **use("cifar10"), download=True) == set()
    prepared.unlink()
    assert write(checkout, **use("cifar10"), download=True) == {"datasets/own"}


def test_a_damaged_list_of_known_checksums_is_made_anew(checkout: Path) -> None:
    chip = checkout / "raw/mstar/HB1.000"
    chip.parent.mkdir(parents=True)
    chip.write_text("first")
    write(checkout, **use("mstar"))
    known = checkout / "results/demo/raw_files.json"
    text = known.read_text()
    known.write_text(text[:10])
    assert write(checkout, **use("mstar")) == set()
    assert known.read_text() == text


def test_the_published_metrics_that_analyses_read_are_published() -> None:
    published = {(value.suite, value.experiment, value.metric) for value in read_published(ROOT)}
    read = {
        (suite, name, metric)
        for suite in SUITES
        for name, experiment in shipped_suite(suite).experiments.items()
        for choice in experiment.analyses.values()
        for metric in choice.published or ()
    }
    assert read
    assert read <= published


def test_every_selected_target_exists() -> None:
    """The tables name definitions by strings; each must be one."""
    tree = own_source()
    no_entries: dict[str, tuple[str, ...]] = dict.fromkeys(tree.registries(), ())
    targets = [entry.target for entry in REGISTRY.values()]
    for symbol in no_entries.keys() - {MODELS_TABLE}:
        targets += tree.string_table(symbol).values()
    for target in targets:
        assert tree.closure([target], no_entries).hashes


def test_a_table_that_is_not_written_out(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("TABLE = {'x': f()}\nOTHER = dict(x='y')\n")
    for symbol in ("pkg:TABLE", "pkg:OTHER", "pkg:NONE", "pkg.missing:TABLE"):
        with pytest.raises(PhasebenchError, match=f"{symbol}: there is no such table"):
            SourceTree(package).string_table(symbol)


def test_an_experiment_whose_networks_are_timed_has_a_spec_file_that_follows_no_run(checkout: Path) -> None:
    names = write(checkout, suites=["spectral_batch_norm"])
    timed = "overheads/spectral_batch_norm/table_1"
    assert {name for name in names if name.startswith("overheads/")} == {timed}
    identity = read_identity(StageIdentity, checkout / "results/demo/specs" / f"{timed}.json")
    networks = identity.settings["networks"]
    assert [(network["model"], network["item"], network["options"]) for network in networks] == [
        ("resnet18_sbn34", None, {}),
        ("resnet18_sbn34", "fft", {"method": "fft"}),
        ("resnet18_2bn34", None, {}),
    ]
    assert {network["baseline"]["model"] for network in networks} == {"resnet18"}
    changed("SpectralBatchNorm2d.forward")(checkout / "src/phasebench/nn/spectral/norm.py")
    names = write(checkout, suites=["spectral_batch_norm"])
    assert timed in names
    # A plain network reaches no spectral layer but by the code that inserts it.
    assert "aggregate" not in names
    changed("_NOISE")(checkout / "src/phasebench/data/sources/images/colour_shapes.py")
    assert timed not in write(checkout, suites=["spectral_batch_norm"])


def properties_of(names: set[str]) -> set[str]:
    """The studies whose properties are among the changed spec files."""
    return {name.split("/")[1] for name in names if name.startswith("properties/")}


def test_properties_follow_the_layers_laws_and_networks_of_their_study(checkout: Path) -> None:
    suites = [STUDY, "complex_cnn_analysis", "phase_matters", "spectral_batch_norm"]
    # Networks are measured whatever is trained, so that planning need not take long.
    with_key("suites", value={suite: {"experiments": {}} for suite in suites})(checkout / "workflow/scales/demo.yaml")
    assert properties_of(write(checkout, suites=suites)) == {*suites}
    identity = read_identity(StageIdentity, checkout / f"results/demo/specs/{PROPERTIES}.json")
    models = [network["model"] for network in identity.settings["networks"]]
    # Also networks that the scale does not train, in an order that does not follow the suite.
    assert {"cds_large", "dcn_wide_shallow"} < {*models}
    assert models == sorted(models)
    source = checkout / "src/phasebench"
    for file, edit, studies in (
        ("nn/spectral/norm.py", changed("SpectralBatchNorm2d.forward"), {"spectral_batch_norm"}),
        ("nn/complex/frechet_mean.py", changed("WeightedFrechetMean2d.average"), {STUDY}),
        ("models/mlp.py", changed("matrix_product"), {"phase_matters"}),
        ("properties/graph_convolution.py", changed("leak"), {"complex_cnn_analysis"}),
        ("properties/complex_convolution.py", changed("GAUSS_SHARE"), {STUDY, "complex_cnn_analysis"}),
        ("properties/networks.py", changed("logit_change"), {*suites}),
        ("properties/graph_convolution.py", reworded, set()),
        # By the law of hues in LAB.
        ("data/encodings/colour.py", changed("_WHITE"), {STUDY}),
        ("training/loop.py", decorated("fit"), set()),
    ):
        edit(source / file)
        assert properties_of(write(checkout, suites=suites)) == studies, file


def test_a_scale_may_leave_properties_out(checkout: Path) -> None:
    with_key("suites", STUDY, "properties", value=False)(checkout / "workflow/scales/demo.yaml")
    assert not properties_of(write(checkout))
    settings = read_identity(StageIdentity, checkout / "results/demo/specs/aggregate.json").settings
    assert settings["properties"] == []


def test_baselines_follow_the_networks_input_alone(checkout: Path) -> None:
    assert BASELINES in write(checkout)
    inputs = read_identity(StageIdentity, checkout / f"results/demo/specs/{BASELINES}.json").settings["inputs"]
    shapes = [one for one in inputs if one["dataset"] == "few_colour_shapes"]
    assert [(one["encoding"], one["seed"], one["train_fraction"]) for one in shapes] == [("lab", 0, 1.0)]
    assert [cell["experiment"] for cell in shapes[0]["cells"]] == ["table_3"]
    changed("PENALTY")(checkout / "src/phasebench/evaluation/baselines.py")
    assert write(checkout) == {BASELINES}
    # What all networks read with, and what only some of them do.
    changed("_WHITE")(checkout / "src/phasebench/data/encodings/colour.py")
    assert BASELINES in write(checkout)
    with_key("recipes", "mstar", "betas", value=[0.9, 0.98])(checkout / f"workflow/suites/{STUDY}.yaml")
    decorated("fit")(checkout / "src/phasebench/training/loop.py")
    assert BASELINES not in write(checkout)
