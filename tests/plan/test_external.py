"""Networks of the configuration: where they are trained, on what, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from support.checkout import ROOT
from support.shipped import shipped_suite

from phasebench.cli.main import app
from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import as_model
from phasebench.plan import external
from phasebench.plan.checks import check_config
from phasebench.plan.config import Config, Scale
from phasebench.plan.datasets import DatasetChoices
from phasebench.plan.external import NOT_OF_THE_STUDY, check_networks, external_rows
from phasebench.plan.runs import PlannedRun, expand
from phasebench.plan.settings import Settings
from phasebench.plan.stages import plan_baselines, plan_properties
from phasebench.plan.yaml_files import read_model
from phasebench.specs.run import Recipe

STUDY = "co_domain_symmetry"
TABLE = f"{STUDY}/table_1"
DEMO = read_model(Scale, ROOT / "workflow/scales/demo.yaml", "demo.yaml")


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text("class Net:\n    pass\n")
    return f"{tmp_path}/nets.py:Net"


def config(target: str, **settings: Any) -> Config:
    network = {"target": target, "domain": "complex", **({"beside": [TABLE]} | settings)}
    values = {"scale": "demo", "suites": [STUDY], "models": {"mine": network}}
    return as_model(Config, values, "config.yaml")


def runs_of(chosen: Config, suite: str = STUDY) -> list[PlannedRun]:
    choices = DatasetChoices(chosen, Settings({}), DEMO, "demo.yaml")
    return list(expand(shipped_suite(suite), DEMO, "demo.yaml", choices, chosen.models, chosen.only))


def test_only_may_name_a_network_of_the_configuration(file: str) -> None:
    chosen = as_model(Config, {**config(file).model_dump(), "only": {TABLE: {"models": ["mine"]}}}, "config.yaml")
    check_config(chosen, [shipped_suite(STUDY)], DEMO, Settings({}))
    assert {run.spec.model for run in runs_of(chosen)} == {"mine"}


def test_a_network_beside_the_studys_has_their_inputs_recipe_and_seeds(file: str) -> None:
    chosen = config(file, options={"width": 4}, logits="modulus")
    without = runs_of(config(file).model_copy(update={"models": {}}))
    planned = runs_of(chosen)
    own = [run for run in planned if run.spec.model == "mine"]
    assert [run for run in planned if run.spec.model != "mine"] == without
    beside = [run.spec for run in without if run.spec.model == "cifarnet_type_e"]
    assert [
        run.spec.model_copy(update={"model": "cifarnet_type_e", "model_options": {}, "external": None}) for run in own
    ] == beside
    spec = own[0].spec
    assert spec.external is not None
    assert (spec.model_options, spec.external.logits, spec.external.input_shape) == (
        {"width": 4},
        "modulus",
        (2, 32, 32),
    )
    # Evaluations that need to know a network's parts are left out; the seeds of the others are the scale's.
    evaluations = {run.spec.seed: set(run.evaluations) for run in own}
    assert evaluations == {0: {"rotation", "colour_jitter", "phase_normalisation", "confidence"}, 1: set(), 2: set()}
    # The input is the study's own, so no baseline is measured again.
    assert plan_baselines(run.spec for run in planned) == plan_baselines(run.spec for run in without)


def test_a_network_may_replace_the_studys_with_another_recipe(file: str) -> None:
    specs = [run.spec for run in runs_of(config(file, beside=[], replaces=[TABLE], recipe="mstar", domain="real"))]
    table = [spec for spec in specs if spec.experiment == "table_1"]
    assert {spec.model for spec in table} == {"mine"}
    assert isinstance(table[0].recipe, Recipe)
    assert table[0].recipe.steps == 140
    assert table[0].external is not None
    assert table[0].external.input_shape == (3, 32, 32)
    assert {spec.model for spec in specs if spec.experiment == "table_2"} == {"mstar_cds"}


def test_modules_that_only_the_studys_networks_have_are_not_measured(file: str) -> None:
    suite = "spectral_batch_norm"
    probed = [
        planned.spec
        for experiment in shipped_suite(suite).experiments
        for planned in runs_of(config(file, beside=[f"{suite}/{experiment}"]), suite)
        if isinstance(planned.spec.recipe, Recipe) and planned.spec.recipe.probe_modules
    ]
    assert probed
    assert "mine" not in {spec.model for spec in probed}


def test_properties_are_measured_without_an_expectation_unless_one_is_given(file: str) -> None:
    suite = shipped_suite(STUDY)
    for given, expected in ((None, None), (["phase"], ["phase"])):
        chosen = config(file, invariant_to=given)
        network = plan_properties([suite], DEMO, chosen.models)[STUDY].networks[-1]
        assert (network["model"], network["invariant_to"], network["real"]) == ("mine", expected, False)
        assert network["external"]["target"] == file


def test_the_tables_mark_it_as_not_the_studys(file: str) -> None:
    assert external_rows(config(file))["mine"]["label"] == f"mine{NOT_OF_THE_STUDY}"
    assert external_rows(config(file, label="Mine"))["mine"]["label"] == f"Mine{NOT_OF_THE_STUDY}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "none.py:Net"}, r"models.mine: target: there is no file .*/none.py; correct the path"),
        (
            {"target": "no_such_package.nets:Net"},
            "'no_such_package.nets:Net': there is no package 'no_such_package' here",
        ),
        ({"target": "nets.Net"}, "'nets.Net' is no target; write package.module:Name or /path/file.py:Name"),
        ({"target": None}, "no installed package offers 'mine'; give package.module:Name"),
        (
            {"beside": [f"{STUDY}/table_9"]},
            f"models.mine: '{STUDY}/table_9' is no experiment of the chosen suites; known:",
        ),
        ({"beside": [f"{STUDY}/table_3"]}, "table_3: not run at scale 'demo'; name another experiment, or another"),
        ({"recipe": "none"}, f"models.mine.recipe: 'none' is no recipe of {STUDY}; known: "),
        ({"replaces": [TABLE]}, f"models.mine: {TABLE} is in 'beside' and in 'replaces'; choose one"),
    ],
)
def test_a_network_that_cannot_be_found_or_trained_is_refused(
    file: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(PhasebenchError, match=message):
        check_networks(config(**{"target": file, **settings}), [shipped_suite(STUDY)], DEMO, Settings({}))


def test_names_are_its_own_and_an_experiment_is_named(file: str) -> None:
    network = config(file).models["mine"]
    taken = config(file).model_copy(update={"models": {"cifarnet_real": network}})
    with pytest.raises(PhasebenchError, match=r"models\.cifarnet_real: there is a registered model of that name"):
        check_networks(taken, [shipped_suite(STUDY)], DEMO, Settings({}))
    with pytest.raises(PhasebenchError, match=r"models\.mine: .*name an experiment in 'beside' or 'replaces'"):
        config(file, beside=[])


def test_networks_that_installed_packages_offer_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(external, "offered_networks", lambda: {"toy": "toy_nets.nets:net"})
    app(["models"], standalone_mode=False)
    assert capsys.readouterr().out.endswith("for models in config.yaml: toy (toy_nets.nets:net)\n")
