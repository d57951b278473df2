"""What cannot work is refused in one line before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.checkout import ROOT
from support.shipped import SUITES

from phasebench.analysis.registry import ANALYSES
from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.evaluation.registry import EVALUATIONS
from phasebench.plan.checks import check_suite
from phasebench.plan.config import Suite
from phasebench.plan.plan import BenchmarkPlan, load_plan
from phasebench.plan.yaml_files import as_model

TREE = SourceTree(ROOT / "src/phasebench")
RECIPE = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 8, "steps": 5, "validate_every": 1}


def shipped(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / f"workflow/suites/{name}.yaml").read_text())
    return content


def check(content: dict[str, Any]) -> str:
    """The complaint about a suite, or ''."""
    file = f"workflow/suites/{content['name']}.yaml"
    suite = as_model(Suite, content, file)
    try:
        check_suite(suite, file, EVALUATIONS, ANALYSES)
    except PhasebenchError as error:
        return str(error).removeprefix(f"{file}: experiments.")
    return ""


def experiment(**changes: Any) -> dict[str, Any]:
    """A suite of one experiment."""
    grid = {"datasets": ["d"], "encodings": ["lab"], "models": ["cifarnet_real"], **changes.pop("grid", {})}
    resources = {"gpu": 0, "runtime": 1, "mem_mb": 1}
    own = {"title": "Table", "recipe": "plain", "grid": grid, "resources": resources, **changes}
    recipes = {
        "plain": RECIPE,
        "followed": {**RECIPE, "track_test": True},
        "full": {"procedure": "full_batch", "learning_rate": 0.1, "steps": 5, "snapshot_every": 1},
    }
    return {"name": "s", "title": "S", "citation": "C", "recipes": recipes, "experiments": {"table": own}}


def test_a_model_without_a_guided_rule_in_the_grid_of_a_study() -> None:
    suite = shipped("co_domain_symmetry")
    assert check(suite) == ""
    suite["experiments"]["table_1"]["grid"]["models"].append("resnet18")
    assert check(suite) == (
        "table_1.evaluations.filter_similarity: model 'resnet18' has no guided_rule in the table of models; "
        "leave it out of the evaluation's models"
    )
    kept = [model for model in suite["experiments"]["table_1"]["grid"]["models"] if model != "resnet18"]
    suite["experiments"]["table_1"]["evaluations"]["filter_similarity"]["models"] = kept
    assert check(suite) == ""


@pytest.mark.parametrize(
    ("model", "evaluation", "complaint"),
    [
        ("graph_phase", "embedding", "has no dense layer or prototype distance whose input is an embedding"),
        ("perceptron_100", "embedding", "has no dense layer or prototype distance whose input is an embedding"),
        ("resnet18", "spectra", "has no second normalisation behind another"),
        ("resnet18_sbn34_instead", "spectra", "has no second normalisation behind another"),
        ("cifarnet_surreal", "weight_projections", "has no convolution or dense layer to project"),
        ("mstar_real", "filter_similarity", "has no guided_rule in the table of models"),
    ],
)
def test_a_model_that_an_evaluation_cannot_measure(model: str, evaluation: str, complaint: str) -> None:
    found = check(experiment(grid={"models": ["cifarnet_real", model]}, evaluations={evaluation: {"models": [model]}}))
    assert found == (
        f"table.evaluations.{evaluation}: model '{model}' {complaint}; leave it out of the evaluation's models"
    )
    grid = {"models": ["cifarnet_real", model], "encodings": ["lab", "rgb"]}
    apart = [{"models": [model], "encodings": ["rgb"]}, {"models": ["cifarnet_real"], "encodings": ["lab"]}]
    never = {evaluation: {"encodings": ["lab"]}}
    if evaluation != "spectra":
        # The pair is in the grid, but no part of it runs.
        assert check(experiment(grid=grid, parts=apart, evaluations=never)) == ""


def test_colours_of_samples_without_colours() -> None:
    colours = {"colour_jitter": {}}
    for encoding in ("lab", "rgb", "rgb_normalised", "sliding"):
        assert check(experiment(grid={"encodings": [encoding]}, evaluations=colours)) == ""
    found = check(experiment(grid={"encodings": ["lab", "mfcc"]}, evaluations=colours))
    assert found == (
        "table.evaluations.colour_jitter: encoding 'mfcc' is of samples without colours; "
        "leave it out of the evaluation's encodings"
    )
    assert "encoding 'grey'" in check(experiment(test_encoding="grey", evaluations=colours))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"analyses": {"projections": {}}},
            "analyses.projections: recipe 'plain' keeps no snapshots; it needs procedure: full_batch; ",
        ),
        ({"analyses": {"projections": {}}, "recipe": "full"}, ""),
        (
            {
                "analyses": {"early_accuracy": {}},
                "recipe": "followed",
                "models": {"cifarnet_real": {"recipe": "plain"}},
            },
            "analyses.early_accuracy: recipe 'plain' does not follow the test; it needs track_test: true; ",
        ),
        ({"analyses": {"early_accuracy": {}}, "recipe": "followed"}, ""),
        (
            {"analyses": {"trend": {}}},
            "analyses.trend: a line needs at least two train_fractions in the experiment's grid; ",
        ),
        ({"analyses": {"trend": {}}, "grid": {"train_fractions": [0.5, 1.0]}}, ""),
        ({"sorted_by": "resnet18"}, "sorted_by: 'resnet18' is not in the experiment's grid; known: cifarnet_real"),
        ({"sorted_by": "cifarnet_real"}, ""),
    ],
)
def test_analyses_that_would_find_nothing(changes: dict[str, Any], complaint: str) -> None:
    found = check(experiment(**changes))
    assert found.startswith(f"table.{complaint}" if complaint else "")
    assert bool(found) == bool(complaint)


def plan(folder: Path, name: str, scale: dict[str, Any], suite: dict[str, Any]) -> BenchmarkPlan:
    for kind, content in (("suites", suite), ("scales", {"name": "tiny", "description": "Words.", **scale})):
        path = folder / "workflow" / kind / f"{content['name']}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return load_plan({"scale": "tiny", "suites": [name]}, folder, TREE)


@pytest.mark.parametrize(
    ("choice", "evaluation", "complaint"),
    [
        (
            {"name": "shards", "source": "generated_imagenet"},
            "rotation",
            "is kept in shards, which no evaluation reads",
        ),
        ({"name": "digits_32", "source": "digits"}, "colour_jitter", "has no colours"),
        ({"name": "shapes", "source": "colour_shapes"}, "colour_jitter", ""),
        ({"name": "digits_32", "source": "digits"}, "rotation", ""),
    ],
)
def test_a_stand_in_that_an_evaluation_cannot_read(
    tmp_path: Path, choice: dict[str, str], evaluation: str, complaint: str
) -> None:
    suite = experiment(evaluations={evaluation: {}})
    scale = {"seeds": [0], "suites": {"s": {}}, "datasets": {"d": choice}}
    if not complaint:
        assert plan(tmp_path, "s", scale, suite).evaluation_specs == {evaluation: (evaluation, None)}
        return
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, "s", scale, suite)
    assert str(caught.value) == (
        f"workflow/suites/s.yaml: experiments.table.evaluations.{evaluation}: data set '{choice['name']}' {complaint}; "
        "leave d out of the evaluation's datasets"
    )


def test_a_name_is_written_in_one_way(tmp_path: Path) -> None:
    suite = {**experiment(), "display_names": {"digits": "Digits", "d": "D"}}
    data = {"d": {"name": "digits", "source": "digits"}}
    scale = {"seeds": [0], "suites": {"s": {}}, "datasets": data}
    names = {"digits": "Digits", "few": "Few"}
    found = plan(tmp_path, "s", {**scale, "display_names": names}, suite)
    assert found.display_names == {"d": "D", **names}
    with pytest.raises(PhasebenchError) as caught:
        plan(tmp_path, "s", {**scale, "display_names": {"digits": "Numerals"}}, suite)
    place = "workflow/scales/tiny.yaml: display_names.digits"
    assert str(caught.value) == f"{place}: 'Numerals', but 'Digits' in workflow/suites/s.yaml; choose one"


def test_an_answer_is_of_a_known_kind_of_figure() -> None:
    with pytest.raises(
        PhasebenchError, match=r"^f: experiments\.table\.answers\.rotated: .*'rotation', 'colour-jitter'"
    ):
        as_model(Suite, experiment(answers={"rotated": "Figure 1"}), "f")


@pytest.mark.parametrize("name", SUITES)
def test_the_shipped_suites_pass(name: str) -> None:
    assert check(shipped(name)) == ""
