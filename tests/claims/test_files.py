"""The grammar of claims: what a file may say, and what is said of a file that is wrong."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.checkout import ROOT

from phasebench.claims.files import read_claims
from phasebench.claims.model import Claim, StudyClaims
from phasebench.common.errors import PhasebenchError
from phasebench.plan.config import Suite
from phasebench.plan.yaml_files import read_model
from phasebench.specs.paths import CLAIMS_FOLDER

SUITES = ROOT / "workflow" / "suites"
SHIPPED = sorted((ROOT / CLAIMS_FOLDER).glob("*.yaml"))


def claim(**changes: Any) -> dict[str, Any]:
    measured = {"metric": "test_accuracy", "experiment": "table_1", "models": ["cifarnet_type_e"]}
    entry = {"id": "one", "text": "Words.", "where": "Table 1", "unit": "points", "measured": measured, "at_least": 0}
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def measured(**changes: Any) -> dict[str, Any]:
    entry = {**claim()["measured"], **changes}
    return claim(measured={key: value for key, value in entry.items() if value is not None})


@pytest.fixture(scope="module")
def suite() -> Suite:
    return read_model(Suite, SUITES / "co_domain_symmetry.yaml", "suite")


def read(folder: Path, suite: Suite, *claims: dict[str, Any], name: str = "co_domain_symmetry") -> list[StudyClaims]:
    path = folder / CLAIMS_FOLDER / "co_domain_symmetry.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"suite": name, "claims": list(claims)}))
    return read_claims(folder, [suite])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_claims_fit_their_suite(path: Path) -> None:
    (study,) = read_claims(ROOT, [read_model(Suite, SUITES / path.name, path.name)])
    assert study.suite == path.stem
    assert StudyClaims.model_validate(study.model_dump(mode="json")) == study


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_editors_find_the_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=../schemas/claims.schema.json\n")


def test_a_study_without_a_file_claims_nothing(tmp_path: Path, suite: Suite) -> None:
    assert read_claims(tmp_path, [suite]) == []


@pytest.mark.parametrize(
    ("changes", "bounds", "words"),
    [
        ({"at_least": 8.4}, (0.084, math.inf), "at least 8.4 points"),
        ({"at_least": None, "at_most": -10}, (-math.inf, -0.1), "at most \N{MINUS SIGN}10 points"),
        ({"unit": "percent", "at_most": 51.39}, (0.0, 0.5139), "from 0 to 51.39 %"),
        ({"unit": "count", "at_least": 7, "at_most": 7}, (7.0, 7.0), "exactly 7"),
        ({"unit": "ratio", "at_least": None, "at_most": 0.5}, (-math.inf, 0.5), "at most 0.5"),
        ({"in_at_least": 9}, (0.0, math.inf), "at least 0 points, in at least 9"),
    ],
)
def test_bounds(changes: dict[str, Any], bounds: tuple[float, float], words: str) -> None:
    read = Claim.model_validate(claim(**changes))
    assert read.bounds == pytest.approx(bounds, rel=1e-15)
    assert read.threshold == words


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (claim(at_lest=1), "claims.0: key 'at_lest' is not known; known keys: at_least, at_most"),
        (claim(at_least=None), "claims.0: give 'at_least', 'at_most' or both"),
        (claim(at_most=-1), "claims.0: 'at_least' is greater than 'at_most'"),
        (claim(unit="miles"), "claims.0.unit: input should be 'points', 'percent'"),
        (claim(difference_from={}), "claims.0.difference_from: give at least one key in which the rival differs"),
        (
            claim(difference_from={"condition": 0}, ratio_to={"condition": 0}),
            "claims.0: give at most one of 'difference_from' and 'ratio_to'",
        ),
        (claim(printed=-1), "claims.0: 'printed' lies outside the bound"),
        (claim(printed=1, at_most=2), "claims.0: 'printed' needs one bound, 'at_least' or 'at_most', as the direction"),
        (claim(printed=1, by_construction=True), "claims.0: 'printed' is for findings"),
        (
            claim(printed=1, difference_from={"models": ["cifarnet_dcn", "cifarnet_real"]}),
            "claims.0: 'printed' is for a single model, rival and setting; split the claim",
        ),
        (measured(encodings=["rgb", "lab"]) | {"printed": 1}, "claims.0: 'printed' is for a single model, rival and"),
        (measured(conditions="each") | {"printed": 1}, "claims.0: 'printed' is for a single model, rival and setting"),
        (measured(models=None), "claims.0.measured: give exactly one of 'models' and 'one_of'"),
        (measured(one_of=["cifarnet_dcn"]), "claims.0.measured: give exactly one of 'models' and 'one_of'"),
        (measured(change_from=0), "claims.0.measured: 'change_from' needs 'conditions'"),
        (measured(conditions=[]), "claims.0.measured.conditions"),
        (measured(experiment="table_9"), "one.measured.experiment: 'table_9' is not in the suite; known: images_"),
        (measured(datasets=["mstar"]), "one.measured.datasets: 'mstar' is not in the suite; known: cifar10"),
        (measured(encodings=["complex"]), "one.measured.encodings: 'complex' is not in the suite"),
        (measured(train_fractions=[0.3]), "one.measured.train_fractions: '0.3' is not in the suite; known: 1.0"),
        (measured(models=["mstar_cds"]), "one.measured.models: 'mstar_cds' is not in the suite"),
        (measured(models=None, one_of=["mstar_cds"]), "one.measured.one_of: 'mstar_cds' is not in the suite"),
        (claim(difference_from={"models": ["net"]}), "one.difference_from.models: 'net' is not in the suite"),
        (claim(ratio_to={"dataset": "mstar"}), "one.ratio_to.dataset: 'mstar' is not in the suite"),
        (claim(ratio_to={"experiment": "table_9"}), "one.ratio_to.experiment: 'table_9' is not in the suite"),
        (
            claim(difference_from={"experiment": "table_2", "models": ["cifarnet_dcn"]}),
            "one.difference_from.models: 'cifarnet_dcn' is not in the suite; known: mstar_cds",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_key(
    tmp_path: Path, suite: Suite, entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(PhasebenchError) as caught:
        read(tmp_path, suite, entry)
    text = str(caught.value)
    assert text.startswith(f"{CLAIMS_FOLDER}/co_domain_symmetry.yaml: {message}")
    assert "\n" not in text


def test_ids_are_unique(tmp_path: Path, suite: Suite) -> None:
    with pytest.raises(PhasebenchError, match="claim 'two' is given twice"):
        read(tmp_path, suite, claim(), claim(id="two"), claim(id="two"))


def test_the_file_has_the_name_of_its_suite(tmp_path: Path, suite: Suite) -> None:
    with pytest.raises(PhasebenchError, match="suite: 'other' is not the file's name"):
        read(tmp_path, suite, claim(), name="other")


@pytest.mark.parametrize(
    ("entry", "bounds"),
    [
        (claim(difference_from={"condition": 0}, at_least=8), (0.0, math.inf)),
        (claim(difference_from={"condition": 0}, at_least=-8), (-0.08, math.inf)),
        (claim(difference_from={"condition": 0}, at_least=None, at_most=-10), (-math.inf, 0.0)),
        (claim(unit="ratio", ratio_to={"condition": 0}, at_least=None, at_most=0.5), (-math.inf, 1.0)),
        (claim(difference_from={"condition": 0}, at_least=1, at_most=2), (0.01, 0.02)),
        (measured(change_from=0, conditions=[180]) | {"at_least": 5}, (0.0, math.inf)),
        (claim(unit="percent", at_least=50), (0.5, math.inf)),
    ],
)
def test_the_direction_of_a_change_is_without_its_size(entry: dict[str, Any], bounds: tuple[float, float]) -> None:
    assert Claim.model_validate(entry).direction_bounds == pytest.approx(bounds)


def test_no_shipped_claim_has_a_printed_number_as_its_bound() -> None:
    """A bound that is the printed number is missed in every second case if the study is exactly right."""
    for path in SHIPPED:
        (study,) = read_claims(ROOT, [read_model(Suite, SUITES / path.name, path.name)])
        for one in study.claims:
            quoted = one.published.partition(";")[0]
            printed = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", quoted)}
            # The ends of a range over several settings are the number of none of them.
            several = len(one.measured.datasets or ()) > 1
            if one.unit in ("points", "percent") and one.kind == "finding" and not several:
                bounds = {abs(bound) for bound in (one.at_least, one.at_most) if bound}
                assert not bounds & printed, one.id
