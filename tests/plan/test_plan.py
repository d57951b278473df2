"""The table of runs, against tables written out by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.plan.config import Resources
from phasebench.plan.plan import BenchmarkPlan, load_plan
from phasebench.provenance.stage_code import own_source
from phasebench.specs.run import FullBatchRecipe, RunSpec
from phasebench.training.optimizers import learning_rate

RECIPE = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 8, "steps": 500, "validate_every": 100}
GRID = {"datasets": ["cifar10", "svhn"], "encodings": ["lab", "rgb"], "models": ["cifarnet_type_e", "cifarnet_real"]}
EXPERIMENT = {
    "title": "Table",
    "recipe": "plain",
    "grid": GRID,
    "evaluations": {"rotation": {}},
    "resources": {"gpu": 1, "runtime": 60, "mem_mb": 4000},
}
RADAR = {
    **EXPERIMENT,
    "recipe": "radar",
    "grid": {
        "datasets": ["mstar"],
        "encodings": ["complex"],
        "models": ["mstar_cds"],
        "train_fractions": [0.005, 0.05, 1.0],
    },
    "evaluations": {"rotation": {}},
}
SUITE = {
    "name": "study",
    "title": "A study",
    "citation": "Somebody",
    "recipes": {"plain": RECIPE, "radar": {**RECIPE, "steps": 900}},
    "experiments": {"images": EXPERIMENT, "radar": RADAR},
}
SCALE = {"name": "tiny", "description": "Words.", "seeds": [3, 1], "suites": {"study": {}}}
CONFIG = {"scale": "tiny", "suites": ["study"]}
TREE = own_source()


def plan(
    root: Path, scale_content: dict[str, Any], suite_content: dict[str, Any] = SUITE, **config: Any
) -> BenchmarkPlan:
    for folder, name, content in (("scales", "tiny", scale_content), ("suites", "study", suite_content)):
        path = root / "workflow" / folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return load_plan({**CONFIG, **config}, root, TREE)


def scale_of(**study: Any) -> dict[str, Any]:
    return {**SCALE, "suites": {"study": study}}


def test_the_whole_grid_with_every_seed(tmp_path: Path) -> None:
    found = plan(tmp_path, SCALE)
    assert list(found.runs) == [
        *(
            f"study/images/{dataset}-{encoding}/{model}/seed{seed}"
            for dataset in ("cifar10", "svhn")
            for encoding in ("lab", "rgb")
            for model in ("cifarnet_type_e", "cifarnet_real")
            for seed in (3, 1)
        ),
        *(
            f"study/radar/mstar-complex-fraction{fraction}/mstar_cds/seed{seed}"
            for fraction in ("000p5", "005", "100")
            for seed in (3, 1)
        ),
    ]
    assert set(found.datasets) == {"cifar10", "svhn", "mstar"}
    assert {dataset.source for dataset in found.datasets.values()} == {"cifar10", "svhn", "mstar"}


def test_a_run_is_resolved(tmp_path: Path) -> None:
    run_id = "study/radar/mstar-complex-fraction005/mstar_cds/seed1"
    found = plan(tmp_path, SCALE)
    spec = found.run(run_id)
    assert spec.id == run_id
    assert (spec.scale, spec.stands_in_for, spec.train_fraction, spec.validation_fraction) == ("tiny", None, 0.05, 0.1)
    assert (spec.recipe.optimizer, spec.recipe.steps, spec.recipe.epochs) == ("sgd", 900, None)
    assert found.dataset_of(run_id) == "mstar"
    assert found.resources_of(run_id) == Resources(gpu=1, runtime=60, mem_mb=4000, threads=1)
    assert [name for name_of_run, name in found.evaluations if name_of_run == run_id] == ["rotation"]
    assert found.evaluation_specs == {"rotation": ("rotation", None)}


def test_a_run_that_is_not_planned_is_refused_in_a_line(tmp_path: Path) -> None:
    found = plan(tmp_path, SCALE)
    for look_up in (found.run, found.dataset_of, found.resources_of):
        with pytest.raises(PhasebenchError, match=r"^'study/radar/none' is no run of study at scale 'tiny'; .*status"):
            look_up("study/radar/none")


def test_a_scale_restricts_the_grid_and_changes_recipes(tmp_path: Path) -> None:
    parts = [{"datasets": ["cifar10"], "encodings": ["lab"]}, {"models": ["cifarnet_real"], "encodings": ["lab"]}]
    scale = {
        **scale_of(experiments={"images": {"grid": parts}}, recipes={"plain": {"epochs": 2, "learning_rate": 1.0}}),
        "seeds": [0],
        "resources": {"gpu": 0, "threads": 2},
    }
    found = plan(tmp_path, scale)
    # The parts overlap in one run, which is there once.
    assert list(found.runs) == [
        "study/images/cifar10-lab/cifarnet_type_e/seed0",
        "study/images/cifar10-lab/cifarnet_real/seed0",
        "study/images/svhn-lab/cifarnet_real/seed0",
    ]
    recipe = found.run("study/images/svhn-lab/cifarnet_real/seed0").recipe
    assert (recipe.epochs, recipe.steps, recipe.learning_rate, recipe.batch_size) == (2, None, 1.0, 8)
    assert all(run.shortened for run in found.runs.values() if run.spec.experiment == "images")
    assert not any(run.shortened for run in plan(tmp_path, SCALE).runs.values())
    resources = found.resources_of("study/images/svhn-lab/cifarnet_real/seed0")
    assert (resources.gpu, resources.runtime, resources.threads) == (0, 60, 2)


def test_each_process_of_a_run_asks_for_a_card(tmp_path: Path) -> None:
    scale = scale_of(recipes={"plain": {"processes": 4}})
    found = plan(tmp_path, scale)
    cards = {run.spec.experiment: run.resources.gpu for run in found.runs.values()}
    assert cards == {"images": 4, "radar": RADAR["resources"]["gpu"]}
    found = plan(tmp_path, {**scale, "resources": {"gpu": 0}})
    assert {run.resources.gpu for run in found.runs.values()} == {0}


def test_a_part_of_a_grid_may_have_seeds_of_its_own(tmp_path: Path) -> None:
    parts = [
        {"datasets": ["cifar10"], "encodings": ["lab"], "models": ["cifarnet_real"], "seeds": [5, 3]},
        {"datasets": ["cifar10"], "encodings": ["lab"], "models": ["cifarnet_real"]},
    ]
    found = plan(tmp_path, scale_of(experiments={"images": {"grid": parts}}))
    assert [planned.spec.seed for planned in found.runs.values()] == [5, 3, 1]


def test_a_model_may_have_a_recipe_and_options_of_its_own(tmp_path: Path) -> None:
    models = {"cifarnet_type_e": {"recipe": "radar", "options": {"width": 3}}}
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, "models": models}}}
    scale = scale_of(recipes={"radar": {"batch_size": 5}, "plain": {"steps": 7}})
    runs = plan(tmp_path, scale, suite).runs.values()
    found = {(run.spec.model, run.spec.recipe.batch_size, run.spec.recipe.steps) for run in runs}
    assert found == {("cifarnet_type_e", 5, 900), ("cifarnet_real", 8, 7)}
    assert {run.spec.model: run.spec.model_options for run in runs} == {
        "cifarnet_type_e": {"width": 3},
        "cifarnet_real": {},
    }


def test_a_data_set_may_have_a_recipe_of_its_own_and_a_models_goes_before(tmp_path: Path) -> None:
    changes = {"recipes": {"svhn": "radar"}, "models": {"cifarnet_real": {"recipe": "plain"}}}
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, **changes}}}
    specs = [run.spec for run in plan(tmp_path, SCALE, suite).runs.values()]
    assert {(spec.dataset, spec.model): spec.recipe.steps for spec in specs} == {
        ("cifar10", "cifarnet_type_e"): 500,
        ("cifar10", "cifarnet_real"): 500,
        ("svhn", "cifarnet_type_e"): 900,
        ("svhn", "cifarnet_real"): 500,
    }


def test_networks_are_timed_where_both_are_run(tmp_path: Path) -> None:
    pair = {"model": "cifarnet_type_e", "baseline": "cifarnet_real", "item": "twice", "options": {"width": 2}}
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, "overhead": [pair]}}}
    (planned,) = plan(tmp_path, SCALE, suite).overheads.values()
    (network,) = planned.networks
    assert (planned.id, planned.resources.gpu) == ("study/images", 1)
    assert (network["dataset"], network["encoding"], network["train_fraction"]) == ("cifar10", "lab", 1.0)
    assert (network["item"], network["options"], network["recipe"]["steps"]) == ("twice", {"width": 2}, 500)
    assert network["baseline"]["model"] == "cifarnet_real"
    alone = scale_of(experiments={"images": {"grid": [{"models": ["cifarnet_type_e"]}]}})
    assert not plan(tmp_path, alone, suite).overheads


def test_properties_are_of_all_networks_of_the_suite_whatever_the_scale_runs(tmp_path: Path) -> None:
    suite = {**SUITE, "properties": ["graph_convolution"]}
    alone = scale_of(experiments={"images": {"grid": [{"models": ["cifarnet_type_e"]}]}})
    (planned,) = plan(tmp_path, alone, suite).properties.values()
    assert (planned.suite, planned.laws) == ("study", ("graph_convolution",))
    assert {"cifarnet_real", "cifarnet_type_e"} <= {network["model"] for network in planned.networks}
    real = next(network for network in planned.networks if network["model"] == "cifarnet_real")
    assert (real["input_shape"], real["real"], real["invariant_to"]) == ([3, 32, 32], True, [])
    assert not plan(tmp_path, scale_of(properties=False), suite).properties
    # Networks alone, or nothing at all.
    assert plan(tmp_path, SCALE, {**SUITE, "properties": []}).properties["study"].networks
    assert not plan(tmp_path, SCALE, SUITE).properties


def test_an_unknown_law_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"study.yaml: properties: 'gravity' is not a law; known: complex_convol"):
        plan(tmp_path, SCALE, {**SUITE, "properties": ["gravity"]})


def test_baselines_are_planned_once_for_each_input(tmp_path: Path) -> None:
    again = {**EXPERIMENT, "recipe": "radar", "grid": {**GRID, "datasets": ["cifar10"], "encodings": ["lab"]}}
    suite = {**SUITE, "experiments": {**SUITE["experiments"], "again": again}}
    (planned,) = plan(tmp_path, SCALE, suite).baselines.values()
    assert (planned.suite, planned.datasets) == ("study", ("cifar10", "mstar", "svhn"))
    # Two data sets in two encodings and three fractions of another one, each with two seeds.
    assert len(planned.inputs) == (4 + 3) * 2
    shared = [one for one in planned.inputs if (one["dataset"], one["encoding"]) == ("cifar10", "lab")]
    assert [(one["seed"], [cell["experiment"] for cell in one["cells"]]) for one in shared] == [
        (1, ["again", "images"]),
        (3, ["again", "images"]),
    ]
    variants = {
        one["train_fraction"]: one["cells"][0]["variant"] for one in planned.inputs if "mstar" in one["dataset"]
    }
    assert variants == {0.005: "fraction000p5", 0.05: "fraction005", 1.0: "fraction100"}
    turned = {**SUITE, "experiments": dict(reversed(suite["experiments"].items()))}
    assert plan(tmp_path, SCALE, turned).baselines == {"study": planned}


def test_ids_do_not_depend_on_how_much_of_a_grid_is_run(tmp_path: Path) -> None:
    found = plan(tmp_path, scale_of(experiments={"radar": {"grid": [{"train_fractions": [1.0]}]}}))
    assert "study/radar/mstar-complex-fraction100/mstar_cds/seed1" in found.runs


def test_data_that_stand_in(tmp_path: Path) -> None:
    scale = scale_of(experiments={"images": {}})
    scale["datasets"] = {
        "cifar10": {"name": "shapes", "source": "colour_shapes", "options": {"n_train": 10}},
        "svhn": {"source": "digits"},
    }
    found = plan(tmp_path, scale)
    spec = found.run("study/images/shapes-lab/cifarnet_real/seed1")
    assert (spec.dataset, spec.stands_in_for) == ("shapes", "cifar10")
    # Another source of the same data set does not make it another one.
    assert found.run("study/images/svhn-lab/cifarnet_real/seed1").stands_in_for is None
    assert {name: (data.source, data.options) for name, data in found.datasets.items()} == {
        "shapes": ("colour_shapes", {"n_train": 10}),
        "svhn": ("digits", {}),
    }


def test_the_configuration_has_the_last_word_on_data(tmp_path: Path) -> None:
    scale = scale_of(experiments={"images": {}})
    scale["datasets"] = {"cifar10": {"name": "shapes", "source": "colour_shapes"}}
    found = plan(tmp_path, scale, datasets={"cifar10": {"source": "hdf5", "path": "mine.h5"}})
    assert found.datasets["cifar10"].options == {"path": "mine.h5"}
    assert "study/images/cifar10-lab/cifarnet_real/seed1" in found.runs


@pytest.mark.parametrize(
    ("only", "models", "seeds"),
    [
        ({"study/images": {}}, {"cifarnet_type_e", "cifarnet_real"}, {3, 1}),
        ("study/images", {"cifarnet_type_e", "cifarnet_real"}, {3, 1}),
        (["study/images"], {"cifarnet_type_e", "cifarnet_real"}, {3, 1}),
        ({"study/images": {"models": ["cifarnet_real"], "seeds": [1, 7]}}, {"cifarnet_real"}, {1}),
        ({"study/radar": {"train_fractions": [0.05]}}, {"mstar_cds"}, {3, 1}),
        ({}, {"cifarnet_type_e", "cifarnet_real", "mstar_cds"}, {3, 1}),
    ],
)
def test_only_a_part_may_be_run(tmp_path: Path, only: object, models: set[str], seeds: set[int]) -> None:
    whole, part = plan(tmp_path, SCALE), plan(tmp_path, SCALE, only=only)
    assert ({run.spec.model for run in part.runs.values()}, {run.spec.seed for run in part.runs.values()}) == (
        models,
        seeds,
    )
    assert all(whole.runs[name] == run for name, run in part.runs.items())


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"study/table_9": {}}, "config.yaml: only: 'study/table_9' is no experiment of the chosen suites; known: "),
        ({"study/radar": {}}, "config.yaml: only: study: 'radar' is not run at scale 'tiny'; known: images"),
        ({"study/images": {"models": ["lenet"]}}, "config.yaml: only.study/images.models: 'lenet' is not in the "),
        ({"study/images": {"seeds": [7]}}, "config.yaml: only.study/images: scale 'tiny' has no such run; leave an "),
        ({"study/images": {"colour": [7]}}, "config.yaml: only.study/images: key 'colour' is not known; known "),
        ("images", "config.yaml: only.images: "),
    ],
)
def test_mistakes_in_only(tmp_path: Path, only: object, message: str) -> None:
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, scale_of(experiments={"images": {}}), only=only)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"scale": "huge"}, "config.yaml: scale: there is no workflow/scales/huge.yaml; known: tiny"),
        ({"suites": ["study", "other"]}, "config.yaml: suites: there is no workflow/suites/other.yaml; known: study"),
        (
            {"datasets": {"cifra10": {}}},
            "config.yaml: datasets: 'cifra10' is not a data set of the chosen suites; known: cifar10, mstar, svhn",
        ),
        (
            {"datasets": {"svhn": {"source": "hdf6"}}},
            "config.yaml: datasets.svhn: source: 'hdf6' is not a data source; known: arrays, audio_folder, ",
        ),
        (
            {"datasets": {"svhn": {"name": "cifar10", "source": "digits"}}},
            "workflow/scales/tiny.yaml: datasets: two different runs have the id 'study/images/cifar10-lab/",
        ),
        (
            {"datasets": {"mstar": {"name": "cifar10", "source": "digits"}}},
            "workflow/scales/tiny.yaml: datasets: two data sets have the name 'cifar10'; give ",
        ),
    ],
)
def test_mistakes_in_the_configuration(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, SCALE, **config)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"recipe": "plane"}, ".recipe: 'plane' is not one of the suite's recipes; known: plain, radar"),
        (
            {"grid": {**GRID, "models": ["foo"]}},
            ".grid.models: 'foo' is not a registered model; known: cds_large, cifarnet_dcn, ",
        ),
        (
            {"grid": {**GRID, "encodings": ["lba"]}},
            ".grid.encodings: 'lba' is not an encoding; known: complex, complex_phase_normalised, ",
        ),
        (
            {"models": {"mstar_cds": {}}},
            ".models: 'mstar_cds' is not in the experiment's grid; known: cifarnet_real, cifarnet_type_e",
        ),
        (
            {"models": {"cifarnet_real": {"recipe": "plane"}}},
            ".models.cifarnet_real.recipe: 'plane' is not one of the suite's recipes; known: plain, radar",
        ),
        ({"evaluations": {"rotaton": {}}}, ".evaluations: 'rotaton' is not an evaluation; known: "),
        (
            {"evaluations": {"rotation": {"encodings": ["sliding"]}}},
            ".evaluations.rotation.encodings: 'sliding' is not in the experiment's grid; known: lab, rgb",
        ),
        ({"recipes": {"mstar": "plain"}}, ".recipes: 'mstar' is not in the experiment's grid; known: cifar10, svhn"),
        (
            {"recipes": {"svhn": "plane"}},
            ".recipes.svhn: 'plane' is not one of the suite's recipes; known: plain, radar",
        ),
        (
            {"overhead": [{"model": "cifarnet_real", "baseline": "mstar_cds"}]},
            ".overhead.0: 'mstar_cds' is not in the experiment's grid; known: cifarnet_real, cifarnet_type_e",
        ),
        (
            {"analyses": {"bias": {}}},
            ".analyses: 'bias' is not an analysis; known: bias_variance, early_accuracy, projections, trend",
        ),
    ],
)
def test_unknown_names_in_a_suite(tmp_path: Path, experiment: dict[str, Any], message: str) -> None:
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, **experiment}}}
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, SCALE, suite)
    assert str(caught.value).startswith("workflow/suites/study.yaml: experiments.images" + message)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({**SCALE, "suites": {}}, "suites: 'study' is missing; add it, or take it out of suites in config.yaml"),
        ({**SCALE, "name": "tony"}, "name: 'tony' is not the file's name"),
        (
            scale_of(recipes={"plane": {}}),
            "suites.study.recipes: 'plane' is not one of the suite's recipes; known: plain",
        ),
        (
            scale_of(experiments={"table": {}}),
            "suites.study.experiments: 'table' is not one of the suite's experiments; known: images, radar",
        ),
        (
            scale_of(experiments={"images": {"grid": [{"encodings": ["sliding"]}]}}),
            "suites.study.experiments.images.grid.0.encodings: 'sliding' is not in the experiment's grid; known: ",
        ),
        (
            scale_of(experiments={"radar": {"grid": [{"train_fractions": [0.5]}]}}),
            "suites.study.experiments.radar.grid.0.train_fractions: '0.5' is not in the experiment's grid; known: ",
        ),
        (
            scale_of(recipes={"plain": {"steps": 5, "epochs": 5}}),
            "suites.study.recipes.plain: give exactly one of 'steps' and 'epochs'",
        ),
        (scale_of(recipes={"plain": {"steps": 0}}), "suites.study.recipes.plain.steps: input should be greater than 0"),
    ],
)
def test_mistakes_in_a_scale(tmp_path: Path, scale: dict[str, Any], message: str) -> None:
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, scale)
    assert str(caught.value).startswith("workflow/scales/tiny.yaml: " + message)


@pytest.mark.parametrize("scale", ["demo", "small", "card", "paper"])
def test_the_shipped_scales_resolve(scale: str) -> None:
    root = ROOT
    shipped = yaml.safe_load((root / "config.yaml").read_text())
    found = load_plan({**shipped, "scale": scale}, root, TREE)
    assert all(run.spec.id == run_id and run.spec.scale == scale for run_id, run in found.runs.items())


def test_an_evaluation_may_be_for_a_part_of_the_grid(tmp_path: Path) -> None:
    evaluations = {"rotation": {"datasets": ["cifar10"], "encodings": ["lab"], "seeds": [1]}}
    analyses = {"bias_variance": {"published": ["test_accuracy"]}}
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, "evaluations": evaluations, "analyses": analyses}}}
    stand_in = {"datasets": {"cifar10": {"name": "shapes", "source": "colour_shapes"}}}
    found = plan(tmp_path, {**SCALE, **stand_in}, suite)
    models = GRID["models"]
    assert found.evaluations == tuple((f"study/images/shapes-lab/{model}/seed1", "rotation") for model in models)
    analysis = found.analyses["study/images/bias_variance"]
    assert analysis.runs == tuple(found.runs)
    assert analysis.published == ("test_accuracy",)


def test_an_experiment_may_have_data_of_its_own(tmp_path: Path) -> None:
    own = {"cifar10": {"name": "few", "source": "colour_shapes", "options": {"n_test": 5}}}
    scale = scale_of(experiments={"images": {"datasets": own}, "radar": {}})
    scale["datasets"] = {name: {"name": "many", "source": "colour_shapes"} for name in ("cifar10", "mstar")}
    found = plan(tmp_path, scale)
    assert set(found.datasets) == {"few", "many", "svhn"}
    assert found.datasets["few"].options == {"n_test": 5}
    # The user's word counts more than the scale's.
    chosen = plan(tmp_path, scale, datasets={"cifar10": {"name": "mine", "source": "hdf5", "path": "x.h5"}})
    assert set(chosen.datasets) == {"mine", "many", "svhn"}
    wrong = scale_of(experiments={"images": {"datasets": {"mstar": {}}}})
    with pytest.raises(PhasebenchError, match=r"experiments.images.datasets: 'mstar' is not in the experiment's grid"):
        plan(tmp_path, wrong)


WHOLE = {"procedure": "full_batch", "learning_rate": 0.1, "steps": 2000, "snapshot_every": 100}


def test_a_recipe_may_name_another_procedure(tmp_path: Path) -> None:
    experiment = {**EXPERIMENT, "recipe": "whole", "subset": "first", "grid": {**GRID, "train_fractions": [0.5]}}
    suite = {**SUITE, "recipes": {**SUITE["recipes"], "whole": WHOLE}, "experiments": {"images": experiment}}
    planned = next(iter(plan(tmp_path, SCALE, suite).runs.values()))
    assert (planned.spec.recipe, planned.spec.subset) == (FullBatchRecipe(**WHOLE), "first")
    assert not planned.shortened
    shorter = scale_of(recipes={"whole": {"steps": 40, "snapshot_every": 20}})
    planned = next(iter(plan(tmp_path, shorter, suite).runs.values()))
    assert (planned.spec.recipe.length, planned.shortened) == ((40, None), True)
    assert RunSpec.model_validate_json(planned.spec.model_dump_json()) == planned.spec


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({**WHOLE, "batch_size": 8}, "recipes.whole: key 'batch_size' is not known; known keys: element_draws, "),
        ({**WHOLE, "steps": 0}, "recipes.whole.steps: input should be greater than 0"),
        ({**WHOLE, "procedure": "whole"}, "recipes.whole: key 'snapshot_every' is not known; known keys: augmentation"),
    ],
)
def test_mistakes_in_a_recipe_of_another_procedure(tmp_path: Path, recipe: dict[str, Any], message: str) -> None:
    suite = {**SUITE, "recipes": {**SUITE["recipes"], "whole": recipe}}
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, SCALE, suite)
    assert str(caught.value).startswith("workflow/suites/study.yaml: " + message)


def test_the_paper_scale_covers_all_tables() -> None:
    root = ROOT
    found = load_plan({"scale": "paper", "suites": ["co_domain_symmetry"]}, root, TREE)
    table_1 = {run.spec.id.rpartition("/")[0] for run in found.runs.values() if run.spec.experiment == "table_1"}
    table_2 = {run.spec.id.rpartition("/")[0] for run in found.runs.values() if run.spec.experiment == "table_2"}
    table_3 = {run.spec.id.rpartition("/")[0] for run in found.runs.values() if run.spec.experiment == "table_3"}
    assert (len(table_1), len(table_2), len(table_3)) == (3 * 3 * 5, 4 * 5, 2)
    recipe = found.run("co_domain_symmetry/table_1/cifar10-lab/cifarnet_type_e/seed0").recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.betas) == ("adamw", 1e-3, (0.99, 0.999))
    assert (recipe.weight_decay, recipe.batch_size, recipe.steps, recipe.validate_every) == (0.1, 256, 50_000, 1_000)
    recipe = found.run("co_domain_symmetry/table_2/mstar-complex-fraction005/mstar_cds/seed0").recipe
    assert (recipe.betas, recipe.steps) == ((0.9, 0.99), 250_000)
    recipe = found.run("co_domain_symmetry/table_2/mstar-complex-fraction005/mstar_dcn/seed0").recipe
    assert (recipe.optimizer, recipe.epochs, recipe.clip_norm) == ("sgd", 200, 1.0)
    images = found.run("co_domain_symmetry/table_3/cifar10-lab/dcn_wide_shallow/seed0").recipe
    assert images == recipe.model_copy(update={"augmentation": "crop_flip", "validate_every": images.validate_every})
    rates = [learning_rate(recipe, epoch) for epoch in (0, 9, 10, 99, 100, 119, 120, 149, 150, 199)]
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])


def test_a_scale_lowers_the_samples_of_an_evaluation(tmp_path: Path) -> None:
    evaluations = {"rotation": {"samples": 500}, "mixed_batches": {}, "confidence": {"samples": 64}}
    suite = {**SUITE, "experiments": {"images": {**EXPERIMENT, "evaluations": evaluations}}}
    run_id = "study/images/cifar10-lab/cifarnet_type_e/seed{}"
    assert plan(tmp_path, SCALE, suite).planned(run_id.format(1)).evaluation_specs == {
        "rotation": "rotation-500",
        "mixed_batches": "mixed_batches",
        "confidence": "confidence-64",
    }
    found = plan(
        tmp_path, _scaled({"evaluations": {"rotation": {"samples": 20, "seeds": [1]}, "confidence": {}}}), suite
    )
    assert found.planned(run_id.format(1)).evaluation_specs == {
        "rotation": "rotation-20",
        "confidence": "confidence-64",
    }
    assert found.planned(run_id.format(3)).evaluation_specs == {"confidence": "confidence-64"}
    assert found.evaluation_specs == {"rotation-20": ("rotation", 20), "confidence-64": ("confidence", 64)}
    with pytest.raises(PhasebenchError, match=r"images\.evaluations: 'spectra' is not one of the experiment's"):
        plan(tmp_path, _scaled({"evaluations": {"spectra": {}}}), suite)


def test_a_network_that_a_scale_shrinks_counts_as_shortened(tmp_path: Path) -> None:
    suite = {**SUITE, "experiments": {"images": EXPERIMENT}}
    runs = plan(tmp_path, _scaled({"models": {"cifarnet_real": {"options": {"width": 4}}}}), suite).runs.values()
    assert {(run.spec.model, str(run.spec.model_options), run.shortened) for run in runs} == {
        ("cifarnet_real", "{'width': 4}", True),
        ("cifarnet_type_e", "{}", False),
    }
    with pytest.raises(PhasebenchError, match=r"images\.models: 'resnet18' is not in the experiment's grid"):
        plan(tmp_path, _scaled({"models": {"resnet18": {"options": {"width": 4}}}}), suite)


def _scaled(experiment: dict[str, Any]) -> dict[str, Any]:
    return {**SCALE, "suites": {"study": {"experiments": {"images": experiment}}}}
