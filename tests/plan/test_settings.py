"""A configuration is merged as Snakemake merges it, and messages say from where a value came."""

from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from support.checkout import ROOT

from phasebench.cli.options import chosen_settings, one_value_each
from phasebench.common.errors import PhasebenchError
from phasebench.plan.settings import Settings, parse_options, read_settings, with_types
from phasebench.plan.yaml_files import read_yaml


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = {"scale": "demo", "suites": ["study"], "datasets": {"a": {"path": "a.h5"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(base))
    (tmp_path / "mine.yaml").write_text("datasets: {b: {path: b.h5}}\nscale: small\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_and_options_go_before_config_yaml(folder: Path) -> None:
    found = chosen_settings([Path("mine.yaml")], ["scale=paper", "download=true"], None)
    assert found.values == {
        "scale": "paper",
        "suites": ["study"],
        "datasets": {"a": {"path": "a.h5"}, "b": {"path": "b.h5"}},
        "download": True,
    }
    assert found.place("scale") == "--config"
    assert found.place("suites") == "config.yaml"
    assert found.place("datasets", "a", "path") == "config.yaml"
    assert found.place("datasets", "b", "path") == "--configfile mine.yaml"
    assert found.place("device") == "config.yaml"
    assert found.with_scale("x").place("scale") == "--scale"
    assert found.with_scale(None) is found


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ([], ["device=gpu"], "--config: device: input should be 'auto', 'cpu' or 'cuda'; found 'gpu'"),
        ([], ["sclae=demo"], "--config: key 'sclae' is not known; known keys: data_root, "),
        ([], ["suites=[]"], "--config: suites: list should have at least 1 item"),
        ([], ["scale"], "--config: 'scale' is no pair key=value; write for example --config scale=small"),
        ([], ["scale=[1"], "--config scale: line 1: not valid YAML: "),
        (["bad.yaml"], [], "--configfile bad.yaml: datasets.b.path: must be a path: not empty"),
        (["list.yaml"], [], "--configfile list.yaml: must hold keys and values"),
        (["none.yaml"], [], "--configfile none.yaml: there is no such file"),
    ],
)
def test_messages_name_the_place(folder: Path, files: list[str], options: list[str], message: str) -> None:
    (folder / "bad.yaml").write_text('datasets: {b: {path: ""}}')
    (folder / "list.yaml").write_text("[1]")
    with pytest.raises(PhasebenchError) as caught:
        chosen_settings([Path(file) for file in files], options, None).config()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_what_snakemake_has_merged_goes_before_what_the_places_say(folder: Path) -> None:
    found = read_settings(folder, [], {"scale": "paper"}).holding({"scale": "paper", "suites": "study"})
    assert found.config().suites == ("study",)
    assert Settings(found.values).place("scale") == "config.yaml"


@pytest.mark.parametrize(
    "option",
    [
        "only={study/table: {seeds: [0, 12], train_fractions: [0.05]}}",
        "datasets={a: {options: {size: 8, mirrored: true, rate: 1.5, classes: 'zero,one', date: 2020-01-01}}}",
        "models={net: {target: 'nets.py:Net', options: {width: -3, name: 1.0.0}}}",
        "suites=[study, other]",
        "suites=study,other",
        "download=true",
        "data_root=/data/08",
    ],
)
def test_snakemake_and_our_commands_read_an_option_alike(option: str) -> None:
    key = option.partition("=")[0]
    given = parse_config([option])
    in_file = {"datasets": {"a": {"options": {"quoted": "8"}}}, "scale": "7"}
    merged = {**in_file, key: in_file.get(key, {}) | given[key] if isinstance(given[key], dict) else given[key]}
    expected = parse_options([option])[key]
    assert with_types(merged, given) == {**merged, key: expected}


def test_texts_that_are_no_yaml_stay_texts() -> None:
    values = {"models": {"a": {"labels": ["[" * 2000, "a: b: c", "&a [*a]", "'"]}}}
    assert with_types(values, values) == values


def test_what_a_file_says_keeps_its_type() -> None:
    merged = {"datasets": {"a": {"options": {"size": "8", "rate": "2"}}}}
    given = {"datasets": {"a": {"options": {"rate": "2"}}}, "scale": "x"}
    assert with_types(merged, given) == {"datasets": {"a": {"options": {"size": "8", "rate": 2}}}}


def test_a_file_does_without_config_yaml(folder: Path) -> None:
    (folder / "config.yaml").unlink()
    assert read_settings(folder, [Path("mine.yaml")]).place("scale") == "--configfile mine.yaml"
    # As where the workflow is a module of another one.
    assert read_settings(folder).values == read_yaml(ROOT / "config.yaml", "config.yaml")


def test_values_of_the_command_line_have_their_types() -> None:
    assert parse_options(["a=1", "b=true", "c=", "d=[x, y]", "e={f: g}"]) == {
        **{"a": 1, "b": True, "c": None},
        **{"d": ["x", "y"], "e": {"f": "g"}},
    }


def test_several_values_follow_one_option_as_snakemake_takes_them() -> None:
    given = ["diff", "--config", "a=1", "b=2", "study/run", "--configfile", "x.yaml", "y.json", "--json", "-C", "c=3"]
    assert list(one_value_each(given)) == [
        *("diff", "--config", "a=1", "--config", "b=2", "study/run"),
        *("--configfile", "x.yaml", "--configfile", "y.json", "--json", "-C", "c=3"),
    ]
