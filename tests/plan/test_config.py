"""A mistake in a configuration file ends in one line that names file and key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.shipped import shipped_suite

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import as_model
from phasebench.plan.config import (
    Config,
    DatasetChoice,
    Experiment,
    Grid,
    GridPart,
    Resources,
    Scale,
    ScaledExperiment,
    ScaledSuite,
    Suite,
)
from phasebench.plan.yaml_files import read_model, read_yaml
from phasebench.specs.run import Recipe

CONFIG = {"scale": "demo", "suites": ["study"]}
RECIPE = {"optimizer": "adamw", "learning_rate": 0.1, "batch_size": 8, "steps": 5, "validate_every": 1}
EXPERIMENT = {
    "title": "Table",
    "recipe": "plain",
    "grid": {"datasets": ["digits"], "encodings": ["rgb"], "models": ["cifarnet_real"]},
    "evaluations": {"rotation": {}},
    "resources": {"gpu": 0, "runtime": 1, "mem_mb": 1},
}
SUITE = {
    "name": "study",
    "title": "A study",
    "citation": "Somebody",
    "recipes": {"plain": RECIPE},
    "experiments": {"table": EXPERIMENT},
}
SCALE = {"name": "demo", "description": "Words.", "seeds": [0], "suites": {"study": {}}}


def changed(value: dict[str, Any], path: str, new: object) -> dict[str, Any]:
    """A copy with one entry replaced, or taken out if ``new`` is None."""
    first, _, rest = path.partition(".")
    copy = dict(value)
    if rest:
        copy[first] = changed(copy.get(first, {}), rest, new)
    elif new is None:
        del copy[first]
    else:
        copy[first] = new
    return copy


@pytest.mark.parametrize(("model", "value"), [(Config, CONFIG), (Suite, SUITE), (Scale, SCALE)])
def test_the_examples_are_valid(model: type[BaseModel], value: dict[str, Any]) -> None:
    assert as_model(model, value, "file").model_dump(mode="json", exclude_unset=True) == value


@pytest.mark.parametrize(
    ("model", "value", "message"),
    [
        (Config, changed(CONFIG, "sclae", "demo"), "f.yaml: key 'sclae' is not known; known keys: data_root, "),
        (
            Config,
            {"sclae": "demo", "suites": ["study"]},
            "f.yaml: key 'sclae' is not known; known keys: data_root, datasets, device, download, missing_data, "
            "models, only, scale, suites",
        ),
        (Config, {"suites": ["study"]}, "f.yaml: key 'scale' is missing"),
        (Config, changed(CONFIG, "suites", ["x" * 300]), "f.yaml: suites.0: "),
        (
            Config,
            changed(CONFIG, "datasets", {"digits": {"name": "x" * 300}}),
            "f.yaml: datasets.digits.name: string should have at most 100 characters",
        ),
        (Config, changed(CONFIG, "suites", []), "f.yaml: suites: list should have at least 1 item"),
        (Config, changed(CONFIG, "suites", 3), "f.yaml: suites: input should be a valid list; found 3"),
        (
            Config,
            changed(CONFIG, "scale", "x" * 300),
            "f.yaml: scale: string should have at most 100 char",
        ),
        (
            Config,
            changed(CONFIG, "data_root", "a\0b"),
            "f.yaml: data_root: must be a path: not empty, and without",
        ),
        (Config, changed(CONFIG, "data_root", ""), "f.yaml: data_root: must be a path: not empty"),
        (Config, changed(CONFIG, "data_root", "x" * 5000), "f.yaml: data_root: is longer than a path can be"),
        (Config, changed(CONFIG, "data_root", "~nobody7/x"), "f.yaml: data_root: the home folder of '~nobody7' is not"),
        (Config, changed(CONFIG, "data_root", "$NOT_SET_7/x"), "f.yaml: data_root: variable 'NOT_SET_7' of the enviro"),
        (
            Config,
            changed(CONFIG, "datasets.digits.options.size", float("nan")),
            "f.yaml: datasets.digits.options.size: input should be a finite number; found nan",
        ),
        (
            Config,
            changed(CONFIG, "datasets.digits.options.size", [1]),
            "f.yaml: datasets.digits.options.size: input should be a number, a text, true or false; found [1]",
        ),
        (Config, changed(CONFIG, "device", "gpu"), "f.yaml: device: input should be 'auto', 'cpu' or 'cuda'; found"),
        (Config, changed(CONFIG, "download", "perhaps"), "f.yaml: download: input should be a valid boolean"),
        (
            Config,
            changed(CONFIG, "datasets.digits.sourc", "hdf5"),
            "f.yaml: datasets.digits: key 'sourc' is not known; known keys: name, options, path, source",
        ),
        (Config, changed(CONFIG, "datasets.Digits", {}), "f.yaml: datasets.Digits: string should match pattern"),
        (Config, ["scale"], "f.yaml: must hold keys and values; it holds ['scale']"),
        (Config, None, "f.yaml: must hold keys and values; it holds None"),
        (
            Suite,
            changed(SUITE, "recipes.plain.step", 5),
            "f.yaml: recipes.plain: key 'step' is not known; known keys: augmentation, batch_size, ",
        ),
        (
            Suite,
            changed(SUITE, "recipes.plain.epochs", 5),
            "f.yaml: recipes.plain: give exactly one of 'steps' and 'epochs'",
        ),
        (Suite, changed(SUITE, "recipes.plain.batch_size", 0), "f.yaml: recipes.plain.batch_size: input should be gr"),
        (
            Suite,
            changed(SUITE, "experiments.table.grid.dataset", ["digits"]),
            "f.yaml: experiments.table.grid: key 'dataset' is not known; known keys: datasets, encodings, models, ",
        ),
        (Suite, changed(SUITE, "experiments.table.recipe", None), "f.yaml: experiments.table: key 'recipe' is missing"),
        (
            Suite,
            changed(SUITE, "experiments.table.grid.train_fractions", [0.5, 1.5]),
            "f.yaml: experiments.table.grid.train_fractions.1: input should be less than or equal to 1; found 1.5",
        ),
        (
            Scale,
            changed(SCALE, "suites.study.experiments.table.grid", [{"model": ["x"]}]),
            "f.yaml: suites.study.experiments.table.grid.0: key 'model' is not known; known keys: datasets, ",
        ),
        (
            Scale,
            changed(SCALE, "suites.study.recipes.plain.step", 5),
            "f.yaml: suites.study.recipes.plain: key 'step' is not known; known keys: augmentation, ",
        ),
        (
            Scale,
            changed(SCALE, "resources.gpus", 1),
            "f.yaml: resources: key 'gpus' is not known; known keys: gpu, gpu_share, mem_mb, runtime, threads",
        ),
        (Scale, changed(SCALE, "seeds", [-1]), "f.yaml: seeds.0: input should be greater than or equal to 0; found -1"),
        (Scale, changed(SCALE, "seeds", [2**32]), "f.yaml: seeds.0: input should be less than 4294967296; found 4294"),
        (Scale, changed(SCALE, "seeds", [True]), "f.yaml: seeds.0: input should be a valid integer; found True"),
        *[
            (Suite, changed(SUITE, f"recipes.plain.{key}", value), f"f.yaml: recipes.plain{message}")
            for key, value, message in (
                ("betas", [2, 3], ".betas.0: input should be less than 1; found 2"),
                ("betas", [float("nan"), 0.9], ".betas.0: input should be a finite number; found nan"),
                ("learning_rate", float("inf"), ".learning_rate: input should be a finite number; found inf"),
                ("weight_decay", float("inf"), ".weight_decay: input should be a finite number; found inf"),
                ("clip_norm", float("inf"), ".clip_norm: input should be a finite number; found inf"),
                ("schedule", [], ".schedule: list should have at least 1 item after validation, not 0; found []"),
                ("schedule", [[0, -1.0]], ".schedule.0.1: input should be greater than or equal to 0; found -1.0"),
                ("schedule", [[0, float("nan")]], ".schedule.0.1: input should be a finite number; found nan"),
                ("schedule", [[5, 0.1], [1, 0.1]], ": the epochs of 'schedule' must rise"),
                ("milestones", [3, 3], ": the epochs of 'milestones' must rise"),
                ("milestones", [], ".milestones: list should have at least 1 item after validation, not 0; found"),
                ("steps", 10**18, ".steps: input should be less than or equal to 1000000000; found 1000000000"),
                ("processes", 10**6, ".processes: input should be less than or equal to 1024; found 1000000"),
            )
        ],
    ],
)
def test_messages(model: type[BaseModel], value: object, message: str) -> None:
    with pytest.raises(PhasebenchError) as caught:
        as_model(model, value, "f.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", "f.yaml: line 2: not valid YAML: "),
        ("a: 1\nb: {c: 1, c: 2}\n", "f.yaml: line 2: not valid YAML: key 'c' is given twice"),
        ("a: \x07\n", "f.yaml: not valid YAML: "),
        (b"a: \xff\n", "f.yaml: not valid YAML: "),
        (b"a: \x00\n", "f.yaml: not valid YAML: unacceptable character #x0000"),
        ('a: "\\0"\n', "f.yaml: line 1: not valid YAML: '\\x00' has a control character; remove it"),
        ('a: "\\ud800"\n', "f.yaml: line 1: not valid YAML: '\\ud800' has a control character; remove it"),
        ("a: !!int abc\n", "f.yaml: line 1: not valid YAML: 'abc' is not of the type int"),
        ("a: !!timestamp x\n", "f.yaml: line 1: not valid YAML: 'x' is not of the type timestamp"),
        ("a: !!bool x\n", "f.yaml: line 1: not valid YAML: 'x' is not of the type bool"),
        ("a: !!map x\n", "f.yaml: not valid YAML: a value is not of the type that its tag says"),
        ("a: !!python/object/apply:os.system [x]\n", "f.yaml: line 1: not valid YAML: could not determine a constr"),
        ("a: " + "9" * 5000, "f.yaml: line 1: not valid YAML: '9999999999999999999999999999999999999999' is not of"),
        ("a: 0x" + "f" * 5000, "f.yaml: line 1: not valid YAML: a number of more than 63 bits"),
        ("a: " + "[" * 60 + "]" * 60, "f.yaml: line 1: not valid YAML: nested deeper than 50 levels"),
        ("a: " + "[" * 2000, "f.yaml: line 1: not valid YAML: nested deeper than 50 levels"),
        ("a: &a [*a]\n", "f.yaml: line 1: not valid YAML: a value that contains itself"),
        ("#" * (1 << 20) + "\n", "f.yaml: has 1,048,577 bytes, and may have 1,048,576; shorten it"),
    ],
)
def test_files_that_are_no_yaml(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PhasebenchError) as caught:
        read_yaml(path, "f.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("last", ["[*a{}]", "{{<<: [*a{}]}}"])
def test_aliases_that_write_out_billions_of_values_are_refused_at_once(tmp_path: Path, last: str) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} " + last.format(f", *a{i - 1}".join([str(i - 1), *[""] * 8])) for i in range(1, 10)]
    (tmp_path / "f.yaml").write_text("\n".join(lines))
    with pytest.raises(PhasebenchError, match=r"line \d+: not valid YAML: becomes more than 100,000 values when its"):
        read_yaml(tmp_path / "f.yaml", "f.yaml")


def test_a_date_is_a_text_and_a_folder_no_file(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: 2024-13-45\nb: 2024-01-13\n")
    assert read_yaml(tmp_path / "f.yaml", "f.yaml") == {"a": "2024-13-45", "b": "2024-01-13"}
    with pytest.raises(PhasebenchError, match=r"^f\.yaml: cannot be read: Is a directory$"):
        read_yaml(tmp_path, "f.yaml")


def test_names_that_the_command_line_gives_as_one_text_are_a_list() -> None:
    assert as_model(Config, changed(CONFIG, "suites", "a"), "").suites == ("a",)
    assert as_model(Config, changed(CONFIG, "suites", "a, b"), "").suites == ("a", "b")


def test_paths_are_expanded_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    config = {**CONFIG, "data_root": "~/raw", "datasets": {"digits": {"source": "hdf5", "path": "${SCRATCH}/a$.h5"}}}
    found = as_model(Config, config, "")
    assert (found.data_root, found.datasets["digits"].path) == ("/home/me/raw", "/scratch/a$.h5")
    assert as_model(Config, {**CONFIG, "data_root": 2024}, "").data_root == "2024"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"^f\.yaml: there is no such file$"):
        read_model(Config, tmp_path / "f.yaml", "f.yaml")


def test_keys_of_an_anchor_are_taken_over_and_may_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("one: &one {a: 1, b: 2}\ntwo: &two {<<: *one, b: 3}\nthree: {<<: *two, a: 4}\n")
    assert read_yaml(path, "c.yaml") == {"one": {"a": 1, "b": 2}, "two": {"a": 1, "b": 3}, "three": {"a": 4, "b": 3}}
    path.write_text("one: &one {a: 1}\ntwo: {<<: *one, b: 3, b: 4}\n")
    with pytest.raises(PhasebenchError, match=r"c.yaml: line 2: not valid YAML: key 'b' is given twice"):
        read_yaml(path, "c.yaml")


def test_what_was_read_cannot_be_changed() -> None:
    config = as_model(Config, CONFIG, "f.yaml")
    with pytest.raises(ValueError, match="frozen"):
        config.scale = "paper"


@pytest.mark.parametrize(
    "model",
    [Config, DatasetChoice, Suite, Recipe, Experiment, Grid, Resources, Scale, ScaledSuite, ScaledExperiment, GridPart],
)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_imagenet_has_twelve_cores_to_decode_for_each_card() -> None:
    """A core decodes some 325 images of ImageNet a second, and a card may ask for 2,500."""
    suite = shipped_suite("spectral_batch_norm")
    cards = suite.recipes["imagenet"].processes
    assert cards == 4
    assert suite.experiments["table_4"].resources.threads >= 12 * cards
