"""Verdicts on hand-made measurements, and the shipped claims judged by the studies' own numbers."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.checkout import ROOT

from phasebench.analysis.projections import analyse_projections
from phasebench.analysis.trend import fit_trend
from phasebench.claims import marks
from phasebench.claims.files import read_claims
from phasebench.claims.marks import BY_CONSTRUCTION, NOT_REPRODUCED, NOT_TESTED, OTHER_WAY, REPRODUCED, SAME_WAY
from phasebench.claims.model import Claim, StudyClaims
from phasebench.claims.published import read_published
from phasebench.claims.verdicts import COLUMNS, judge_claims
from phasebench.common.statistics import prediction_interval
from phasebench.plan.config import Suite
from phasebench.plan.yaml_files import read_model
from phasebench.specs.paths import CLAIMS_FOLDER
from phasebench.tables import schema as inputs

HOLDS, FAILS, OPEN = REPRODUCED, NOT_REPRODUCED, marks.OPEN
KEYS = ("suite", "experiment", "dataset", "stands_in_for", "encoding", "train_fraction", "model", "seed")
Row = dict[str, Any]


def row(model: str, value: float | None, seed: int | None = 0, **changes: Any) -> Row:
    entry: Row = {"suite": "study", "experiment": "table", "dataset": "cifar10", "stands_in_for": None}
    entry |= {"encoding": "lab", "train_fraction": 1.0, "model": model, "seed": seed}
    entry |= {"metric": "accuracy", "condition": None, "item": None, "value": value}
    entry |= changes
    return {"run": f"{entry['dataset']}-{entry['encoding']}/{model}/seed{seed}", **entry}


def rows(model: str, values: Iterable[float], **changes: Any) -> list[Row]:
    """One row for each seed."""
    return [row(model, value, seed, **changes) for seed, value in enumerate(values)]


def claim(measured: Row | None = None, **changes: Any) -> Claim:
    of = {"metric": "accuracy", "experiment": "table", "models": ["ours"], **(measured or {})}
    of = {key: value for key, value in of.items() if value is not None}
    entry = {"id": "one", "text": "Words.", "where": "Table 1", "unit": "points", "measured": of}
    return Claim.model_validate({**entry, **({} if "at_most" in changes else {"at_least": 0}), **changes})


def table(entries: list[Row], *without: str) -> pd.DataFrame:
    names = [name for name in [*row("net", 0.0), "n"] if name not in without]
    return pd.DataFrame(entries, columns=names)


def judge_all(
    claims: list[Claim],
    metrics: list[Row] | None = None,
    analyses: list[Row] | None = None,
    parameters: list[Row] | None = None,
    published: list[Row] | None = None,
) -> list[Row]:
    counts = table(parameters or [], "metric", "condition", "item").rename(columns={"value": "parameters"})
    judged = judge_claims(
        [StudyClaims(suite="study", claims=tuple(claims))],
        table(metrics or [], "item"),
        table(analyses or [], "run"),
        counts,
        table(published or [], "run", "seed", "condition", "item", "stands_in_for").assign(
            where="Table 1", std=[one.get("std") for one in published or []]
        ),
    )
    return [{str(key): value for key, value in record.items()} for record in judged.to_dict("records")]


def judge(claim: Claim, metrics: list[Row] | None = None, **tables: list[Row]) -> Row:
    (record,) = judge_all([claim], metrics, **tables)
    return record


AGAINST = {"models": ["theirs"]}


def test_the_table_is_what_the_report_reads(tmp_path: Path) -> None:
    assert set(COLUMNS) == set(inputs.COLUMNS["claims"])
    assert judge_claims([], table([]), table([]), table([]).assign(parameters=[]), table([])).empty
    judged = judge(claim(), rows("ours", [0.5, 0.6]))
    assert list(judged) == list(COLUMNS)
    pd.DataFrame([judged]).to_parquet(tmp_path / "claims.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "claims.parquet"), pd.DataFrame([judged]))


@pytest.mark.parametrize("seed", range(12))
def test_the_verdict_is_that_of_a_paired_t_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    theirs = rng.normal(0.6, 0.05, 4)
    ours = theirs + rng.normal([0.0, 0.02, -0.02][seed % 3], 0.01, 4)
    judged = judge(claim(difference_from=AGAINST), rows("ours", ours) + rows("theirs", theirs))
    test = stats.ttest_rel(ours, theirs)
    interval = test.confidence_interval(0.95)
    assert (judged["low"], judged["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert (judged["mean"], judged["n"]) == (pytest.approx((ours - theirs).mean()), 4)
    expected = OPEN if test.pvalue > 0.05 else HOLDS if test.statistic > 0 else FAILS
    assert judged["mark"] == expected
    assert bool(judged["reason"]) == (expected == OPEN)


def test_values_are_paired_by_seed() -> None:
    # The seeds differ far more than the networks; seeds of one side alone do not count.
    ours = [row("ours", value, seed) for seed, value in ((0, 0.31), (1, 0.721), (2, 0.892), (7, 0.1))]
    theirs = [row("theirs", value, seed) for seed, value in ((2, 0.88), (1, 0.71), (0, 0.3), (8, 0.99))]
    judged = judge(claim(difference_from=AGAINST), ours + theirs)
    assert (judged["mark"], judged["n"]) == (HOLDS, 3)
    assert judged["mean"] == pytest.approx(0.011)
    assert "cifar10-lab/ours/seed0" in judged["runs"].split()


@pytest.mark.parametrize(("bound", "verdict"), [(0.9, HOLDS), (1.0, HOLDS), (1.1, FAILS)])
def test_bounds_count_as_met_and_are_in_the_unit(bound: float, verdict: str) -> None:
    metrics = rows("ours", [0.35, 0.45, 0.55]) + rows("theirs", [0.34, 0.44, 0.54])
    assert judge(claim(difference_from=AGAINST, at_least=bound), metrics)["mark"] == verdict


def test_two_bounds() -> None:
    metrics = rows("ours", [0.50, 0.51, 0.52])
    for low, high, verdict in ((45, 60, HOLDS), (60, 70, FAILS), (30, 40, FAILS), (51, 60, OPEN)):
        assert judge(claim(unit="percent", at_least=low, at_most=high), metrics)["mark"] == verdict


def test_ratio() -> None:
    metrics = rows("ours", [0.2, 0.3]) + rows("theirs", [0.4, 0.6])
    judged = judge(claim(unit="ratio", ratio_to=AGAINST, at_most=0.5), metrics)
    assert (judged["mean"], judged["std"], judged["mark"]) == (0.5, 0.0, HOLDS)
    nothing = judge(claim(unit="ratio", ratio_to=AGAINST, at_most=0.5), rows("ours", [0.2]) + rows("theirs", [0.0]))
    assert (nothing["mark"], nothing["n"]) == (NOT_TESTED, 0)


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ([], "not run: theirs"),
        ([row("theirs", 0.1, 5)], "not run: no seed in common"),
        ([row("theirs", 0.1, 1)], "one seed"),
        ([row("theirs", 0.1, 0), row("theirs", 0.2, 0, encoding="rgb")], "not run: the claim does not say which of"),
    ],
)
def test_why_a_claim_is_not_tested(theirs: list[Row], reason: str) -> None:
    judged = judge(claim(difference_from=AGAINST), rows("ours", [0.8, 0.9]) + theirs)
    assert (judged["mark"], judged["direction"]) == (NOT_TESTED, "")
    assert judged["reason"].startswith(reason)


def test_what_was_not_run_is_not_tested() -> None:
    judged = judge(claim())
    assert (judged["mark"], judged["reason"], judged["n"]) == (NOT_TESTED, "not run: ours", 0)
    assert (judged["runs"], judged["detail"], judged["paper_agrees"]) == ("", "", "no number printed")
    assert np.isnan(judged["mean"])


def test_a_substitute_says_nothing_of_the_studys_data() -> None:
    used = {"dataset": "shapes", "stands_in_for": "cifar10"}
    metrics = rows("ours", [0.9, 0.91, 0.92], **used) + rows("theirs", [0.1, 0.11, 0.12], **used)
    of = {"datasets": ["cifar10"]}
    judged = judge(claim(of, difference_from=AGAINST), metrics)
    assert (judged["mark"], judged["reason"]) == (NOT_TESTED, "stand-in data: shapes for cifar10")
    assert (judged["mean"], judged["direction"]) == (pytest.approx(0.8), SAME_WAY)
    assert judge(claim(of, difference_from=AGAINST, by_construction=True), metrics)["mark"] == BY_CONSTRUCTION
    # The weak mark is about the side, not about the size; what is open points nowhere.
    assert judge(claim(of, difference_from=AGAINST, at_least=90), metrics)["direction"] == SAME_WAY
    assert judge(claim(of, difference_from=AGAINST, at_most=-90), metrics)["direction"] == OTHER_WAY
    open_one = [row("theirs", value, seed, **used) for seed, value in enumerate((0.8, 0.91, 0.95))]
    assert judge(claim(of, difference_from=AGAINST), metrics[:3] + open_one)["direction"] == ""
    # A single seed points by its value.
    assert judge(claim(of, difference_from=AGAINST), [metrics[0], metrics[3]])["direction"] == SAME_WAY
    assert judge(claim(of, difference_from=AGAINST, at_most=-1), [metrics[0], metrics[3]])["direction"] == OTHER_WAY
    # It is no match for a test that is open.
    against = {"models": ["theirs", "others"]}
    mixed = [*metrics[:3], *open_one, row("others", 0.95, 0, **used)]
    assert judge(claim(of, difference_from=against), mixed)["direction"] == ""
    # A value that is no change has no other size to be without.
    assert judge(claim(of, unit="percent", at_least=95), metrics)["direction"] == OTHER_WAY


def test_by_construction_every_network_counts() -> None:
    exact = claim(by_construction=True, at_least=-0.1)
    assert judge(exact, rows("ours", [0.0]))["mark"] == BY_CONSTRUCTION
    # Rounding moved one image: the t interval of two values would contain the bound.
    judged = judge(exact, rows("ours", [0.0, -0.0008]))
    assert (judged["mark"], judged["low"], judged["high"]) == (BY_CONSTRUCTION, -0.0008, 0.0)
    violated = judge(exact, rows("ours", [0.0, 0.0, -0.1]))
    assert (violated["mark"], violated["kind"]) == (FAILS, "property")


def test_parameters_are_counted_in_the_table_of_runs() -> None:
    parameters = [row("ours", 29505, seed) for seed in (0, 1)] + [row("theirs", 65905, seed) for seed in (0, 1)]
    half = claim({"metric": "parameters"}, unit="ratio", ratio_to=AGAINST, at_most=0.5, by_construction=True)
    printed = [
        row(model, value, metric="parameters", dataset=None, encoding=None, train_fraction=None)
        for model, value in (("ours", 29536.0), ("theirs", 63690.0))
    ]
    judged = judge(half, parameters=parameters, published=printed)
    assert (judged["mark"], judged["paper_agrees"], judged["std"]) == (BY_CONSTRUCTION, "yes", 0.0)
    assert judged["mean"] == pytest.approx(29505 / 65905)
    # Printed for no data set in particular, the counts hold for each.
    narrow = half.model_copy(update={"measured": half.measured.model_copy(update={"datasets": ("cifar10",)})})
    assert judge(narrow, published=printed)["paper_agrees"] == "yes"


ENCODINGS = ("rgb", "lab", "sliding")
SAMPLES = {HOLDS: [0.2, 0.21, 0.22], FAILS: [-0.2, -0.21, -0.22], OPEN: [-0.2, 0.3, 0.1]}


@pytest.mark.parametrize("outcomes", list(itertools.product((HOLDS, OPEN, FAILS), repeat=3)))
def test_settings_rivals_and_candidates(outcomes: tuple[str, ...]) -> None:
    """Against counting over all completions of what is open."""
    completions = list(itertools.product(*[(HOLDS, FAILS) if one == OPEN else (one,) for one in outcomes]))

    def expected(needed: int) -> str:
        met = {completion.count(HOLDS) >= needed for completion in completions}
        return OPEN if len(met) == 2 else HOLDS if met.pop() else FAILS

    # As settings of which some are enough; as models of which all or one have to fulfil the claim; as rivals.
    names = [f"net{index}" for index in range(3)]
    measured = [
        one
        for encoding, name, outcome in zip(ENCODINGS, names, outcomes, strict=True)
        for one in (*rows("ours", SAMPLES[outcome], encoding=encoding), *rows(name, SAMPLES[outcome]))
    ]
    measured += rows("zero", [0.0, 0.0, 0.0])
    cases = [
        *((claim({"encodings": ENCODINGS}, in_at_least=needed), needed) for needed in (1, 2, 3)),
        (claim({"models": names}), 3),
        (claim({"models": None, "one_of": names}), 1),
        (claim({"models": ["zero"]}, difference_from={"models": names}, at_most=0), 3),
    ]
    claims = [one.model_copy(update={"id": f"claim{index}"}) for index, (one, _) in enumerate(cases)]
    judged = [record["mark"] for record in judge_all(claims, measured)]
    assert judged == [expected(needed) for _, needed in cases]


def test_the_worst_setting_is_shown_and_named() -> None:
    metrics = [
        *rows("ours", [0.8, 0.81, 0.82], encoding="rgb"),
        *rows("ours", [0.4, 0.41, 0.42], encoding="lab"),
        *(one for encoding in ENCODINGS for one in rows("theirs", [0.5, 0.5, 0.5], encoding=encoding)),
        *(one for encoding in ENCODINGS for one in rows("other", [0.1, 0.1, 0.1], encoding=encoding)),
    ]
    judged = judge(claim({"encodings": ENCODINGS}, difference_from={"models": ["other", "theirs"]}), metrics)
    assert (judged["mark"], judged["mean"]) == (FAILS, pytest.approx(-0.09))
    assert judged["detail"] == (
        "of 3 settings 1 hold, 1 fail, 1 not measured; fail: lab against theirs; shown: lab against theirs"
    )


def test_what_holds_where_it_was_measured_is_not_tested_elsewhere() -> None:
    judged = judge(claim({"encodings": ENCODINGS}), rows("ours", [0.8, 0.81, 0.82], encoding="rgb"))
    assert (judged["mark"], judged["reason"]) == (NOT_TESTED, "not run: ours")
    # The numbers are those of the setting that was measured.
    assert judged["mean"] == pytest.approx(0.81)
    assert judged["detail"] == "of 3 settings 1 hold, 2 not measured; shown: rgb"


def test_conditions() -> None:
    metrics = [
        *(one for degrees in (0.0, 90.0, 180.0) for one in rows("ours", [0.6, 0.7], condition=degrees)),
        *rows("theirs", [0.8, 0.9], condition=0.0),
        *rows("theirs", [0.710, 0.811], condition=90.0),
        *rows("theirs", [0.5, 0.601], condition=180.0),
        *rows("ours", [0.1, 0.1]),
    ]
    each = {"conditions": "each", "change_from": 0.0}
    invariant = judge(claim(each, at_least=0, at_most=0), metrics)
    assert (invariant["mark"], invariant["mean"]) == (HOLDS, 0.0)
    assert invariant["detail"].startswith("of 2 settings 2 hold")
    loses = judge(claim({**each, "models": ["theirs"]}, at_most=-8), metrics)
    assert (loses["mark"], loses["mean"]) == (HOLDS, pytest.approx(-0.0895))
    # The smaller loss, and the same network under another condition.
    of = {"conditions": [180.0], "change_from": 0.0}
    assert judge(claim(of, difference_from=AGAINST), metrics)["mean"] == pytest.approx(0.2995)
    plain = judge(claim({"conditions": [180.0]}, difference_from={"condition": 0.0}, at_most=0), metrics)
    assert (plain["mark"], plain["mean"]) == (HOLDS, 0.0)
    # A value under a condition is not the value without one.
    assert judge(claim(unit="percent"), metrics)["mean"] == pytest.approx(0.1)


def test_classes_are_counted() -> None:
    def bias(model: str, values: Iterable[float]) -> list[Row]:
        items = [*(f"class{index}" for index in range(4)), None]
        return [row(model, value, None, item=item) for item, value in zip(items, values, strict=True)]

    analyses = bias("ours", [0.1, 0.2, 0.3, 0.5, 0.3]) + bias("theirs", [0.2, 0.3, 0.4, 0.4, 0.4])
    ran = [row("ours", 1.0, 0), row("ours", 1.0, 1), row("ours", 1.0, 1, encoding="rgb"), row("theirs", 1.0, 0)]
    of = {"items": "each"}
    all_of = judge(claim(of, difference_from=AGAINST, at_most=0), analyses=analyses, parameters=ran)
    # Bare numbers decide nothing.
    assert (all_of["mark"], all_of["mean"]) == (OPEN, pytest.approx(0.1))
    assert all_of["reason"] == "a single value, without an interval"
    assert all_of["runs"] == "cifar10-lab/ours/seed0 cifar10-lab/ours/seed1 cifar10-lab/theirs/seed0"
    analyses += [
        row(one["model"], one["value"] + 0.01 * step, None, item=one["item"], metric="accuracy_replicate", condition=n)
        for one in analyses
        for n, step in enumerate((-1.0, 0.0, 1.0) if one["model"] == "ours" else (-1.0, 0.2, 0.8))
    ]
    analyses = [{**one, "n": 5} for one in analyses]
    all_of = judge(claim(of, difference_from=AGAINST, at_most=0), analyses=analyses)
    assert (all_of["mark"], all_of["mean"], all_of["n"]) == (FAILS, pytest.approx(0.1), 5)
    assert "fail: class3" in all_of["detail"]
    # Replicates are compared in pairs.
    assert all_of["std"] == pytest.approx(0.01 * np.std([0.0, -0.2, 0.2], ddof=1) * np.sqrt(5))
    three = judge(claim(of, difference_from=AGAINST, at_most=0, in_at_least=3), analyses=analyses)
    assert (three["mark"], three["reason"]) == (HOLDS, "")
    five = judge(claim(of, difference_from=AGAINST, at_most=0, in_at_least=5), analyses=analyses)
    assert (five["mark"], five["reason"]) == (NOT_TESTED, "not run: 4 of 5 settings")
    mean = judge(claim(difference_from=AGAINST, at_most=0), analyses=analyses)
    assert mean["mean"] == pytest.approx(-0.1)


def test_a_value_of_all_seeds_goes_with_each_seed_of_the_other() -> None:
    analyses = [row("theirs", 0.5, None)]
    judged = judge(claim(difference_from=AGAINST), rows("ours", [0.6, 0.7, 0.65]), analyses=analyses)
    assert (judged["n"], judged["mean"]) == (3, pytest.approx(0.15))


def test_fractions_with_other_last_digits_are_the_same() -> None:
    metrics = rows("ours", [0.4, 0.41], train_fraction=0.1 + 0.2)
    assert judge(claim({"train_fractions": [0.3]}), metrics)["n"] == 2


@pytest.fixture(scope="module")
def study() -> tuple[list[StudyClaims], pd.DataFrame]:
    suite = read_model(Suite, ROOT / "workflow" / "suites" / "co_domain_symmetry.yaml", "suite")
    published = pd.DataFrame([value.as_row() for value in read_published(ROOT)])
    return read_claims(ROOT, [suite]), published


def test_which_claims_the_study_itself_contradicts(study: tuple[list[StudyClaims], pd.DataFrame]) -> None:
    claims, published = study
    nothing = table([])
    judged = judge_claims(claims, nothing, nothing, nothing.assign(parameters=[]), published).set_index("claim")
    assert set(judged["mark"]) == {NOT_TESTED}
    contradicted = judged[judged["paper_agrees"] == "no"]["detail"].to_dict()
    # By hand from Tables 1 and 2: SVHN leads by 3.93 and 2.81 points, SurReal's 80.51 % on SVHN in RGB are above
    # Type-E's 77.19 %, and its 95.6 % on MSTAR above CDS's 95.2 %.
    assert contradicted.keys() == {"images_complex_margin", "surreal_worst_on_images", "mstar_best"}
    assert "svhn lab" in contradicted["images_complex_margin"]
    assert "svhn sliding" in contradicted["images_complex_margin"]
    assert "cifar10 " not in contradicted["images_complex_margin"]
    assert contradicted["surreal_worst_on_images"].endswith("fail: svhn rgb against cifarnet_type_e")
    assert contradicted["mstar_best"].endswith("fail: 90 % of the samples against mstar_surreal")
    agreed = set(judged[judged["paper_agrees"] == "yes"].index)
    assert {"images_best", "mstar_5_percent_over_surreal", "mstar_all_over_dcn", "large_best"} <= agreed


def test_trends_of_the_published_accuracies_count_as_published(
    study: tuple[list[StudyClaims], pd.DataFrame],
) -> None:
    claims, published = study
    own = (published["suite"] == "co_domain_symmetry") & (published["experiment"] == "table_2")
    accuracies = published[own & (published["metric"] == "test_accuracy")]
    analyses = []
    for model, line in accuracies.groupby("model"):
        _, intercept = fit_trend(line["train_fraction"].to_numpy(float), 1.0 - line["value"].to_numpy(float))
        changes = {"suite": "co_domain_symmetry", "experiment": "table_2", "dataset": "mstar", "encoding": "complex"}
        analyses.append(
            row(str(model), intercept, None, metric="published_trend_intercept", **changes, train_fraction=None)
        )
    nothing = table([])
    judged = judge_claims(claims, nothing, table(analyses), nothing.assign(parameters=[]), published).set_index("claim")
    assert judged.loc["trend_lowest_at_full_size", "paper_agrees"] == "yes"
    assert judged.loc["trend_lowest_at_full_size", "mark"] == NOT_TESTED


def test_a_benchmark_that_repeats_the_study_reproduces_what_its_tables_say(
    study: tuple[list[StudyClaims], pd.DataFrame],
) -> None:
    claims, published = study
    accuracies = published[published["metric"] == "test_accuracy"]
    metrics = pd.concat(
        [accuracies.assign(seed=seed, value=accuracies["value"], stands_in_for=None) for seed in range(3)]
    )
    metrics["run"] = [f"{one.dataset}/{one.model}/seed{one.seed}" for one in metrics.itertuples()]
    judged = judge_claims(claims, metrics, table([]), table([]).assign(parameters=[]), published)
    of_accuracy = judged[judged["n"] > 0]
    assert len(of_accuracy) > 15
    words = {HOLDS: "yes", FAILS: "no"}
    assert of_accuracy["mark"].map(words).tolist() == of_accuracy["paper_agrees"].tolist()


def test_every_shipped_study_is_judged() -> None:
    names = [path.stem for path in (ROOT / CLAIMS_FOLDER).glob("*.yaml")]
    suites = [read_model(Suite, ROOT / "workflow" / "suites" / f"{name}.yaml", name) for name in names]
    claims = read_claims(ROOT, suites)
    nothing = table([])
    published = pd.DataFrame([value.as_row() for value in read_published(ROOT)])
    judged = judge_claims(claims, nothing, nothing, nothing.assign(parameters=[]), published)
    assert list(judged["claim"].drop_duplicates()) == [one.id for study in claims for one in study.claims]
    parts = judged.groupby("claim")["part"].agg(list).to_dict()
    assert parts == {
        one.id: [""] if one.printed is None else ["direction", "size"] for study in claims for one in study.claims
    }


def test_shorter_training_than_the_studys_decides_nothing_but_what_follows_by_construction() -> None:
    ours = [row("ours", 0.8 + seed / 100, seed=seed, run=f"ours{seed}") for seed in range(3)]
    theirs = [row("theirs", 0.5, seed=seed, run=f"theirs{seed}") for seed in range(3)]
    metrics = table([*ours, *theirs], "item")
    nothing = table([])

    def verdict(shortened: set[str], **changes: Any) -> tuple[str, ...]:
        claims = [StudyClaims(suite="study", claims=(claim(difference_from=AGAINST, **changes),))]
        judged = judge_claims(claims, metrics, nothing, nothing.assign(parameters=[]), nothing, frozenset(shortened))
        return tuple(judged[column].iloc[0] for column in ("mark", "reason", "direction"))

    assert verdict(set())[0] == "reproduced"
    assert verdict({"elsewhere"})[0] == "reproduced"
    assert verdict({"theirs1"}) == ("not tested", "shortened training or a smaller network", SAME_WAY)
    assert verdict({"ours0"}, at_most=0) == ("not tested", "shortened training or a smaller network", OTHER_WAY)
    assert verdict({"ours0"}, by_construction=True)[0] == BY_CONSTRUCTION


def test_a_claim_of_a_size_is_judged_twice() -> None:
    of = {"datasets": ["cifar10"]}
    sized = claim(of, difference_from=AGAINST, printed=2, text="Ours leads.")
    printed = [row("ours", 0.62, std=0.003, n=5), row("theirs", 0.60, std=0.004, n=5)]

    def marks_of(*leads: float) -> dict[str, Row]:
        metrics = rows("ours", [0.5 + lead for lead in leads]) + rows("theirs", [0.5] * len(leads))
        return {str(one["part"]): one for one in judge_all([sized], metrics, published=printed)}

    found = marks_of(0.018, 0.021, 0.019)
    assert {part: one["mark"] for part, one in found.items()} == {"direction": HOLDS, "size": HOLDS}
    assert (found["size"]["text"], found["size"]["threshold"]) == ("Ours leads, by 2 points.", "2 points")
    assert {one["paper_agrees"] for one in found.values()} == {"yes"}
    low, high = prediction_interval([0.018, 0.021, 0.019], 0.005, 5)
    assert (found["size"]["low"], found["size"]["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert found["size"]["power"] > 0.9
    # A smaller lead is a lead; one that may be none says nothing of its size; the other way both fail.
    assert {part: one["mark"] for part, one in marks_of(0.003, 0.004, 0.0035).items()} == {
        "direction": HOLDS,
        "size": FAILS,
    }
    assert {one["mark"] for one in marks_of(-0.01, 0.05, 0.01).values()} == {OPEN}
    assert {one["mark"] for one in marks_of(-0.03, -0.031, -0.029).values()} == {FAILS}
    assert {one["mark"] for one in marks_of(0.02).values()} == {NOT_TESTED}
    # The text and the table of the study may differ by more than rounding.
    other = judge_all([sized.model_copy(update={"printed": 5.0})], published=printed)
    assert [one["paper_agrees"] for one in other] == ["yes", "no"]


def test_the_prediction_interval_without_a_printed_deviation_is_for_one_new_run() -> None:
    metrics = rows("ours", [0.52, 0.53, 0.51]) + rows("theirs", [0.5] * 3)
    _, size = judge_all([claim(difference_from=AGAINST, printed=2)], metrics)
    low, high = prediction_interval([0.02, 0.03, 0.01])
    assert (size["low"], size["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_open_claims_say_how_many_seeds_would_decide() -> None:
    metrics = rows("ours", [0.51, 0.54, 0.50]) + rows("theirs", [0.5] * 3)
    judged = judge(claim(difference_from=AGAINST), metrics)
    mean, std = np.mean([0.01, 0.04, 0.0]), np.std([0.01, 0.04, 0.0], ddof=1)
    needed = next(n for n in range(4, 100) if stats.t.sf(mean / std * np.sqrt(n), n - 1) <= 0.025)
    assert (judged["mark"], judged["seeds_to_decide"]) == (OPEN, needed)
    assert judged["reason"] == f"{needed} seeds would decide it at this spread"
    even = rows("ours", [0.49, 0.51, 0.50]) + rows("theirs", [0.5] * 3)
    hopeless = judge(claim(difference_from=AGAINST), even)
    assert np.isnan(hopeless["seeds_to_decide"])
    assert hopeless["reason"] == "no number of seeds up to 1,000 would decide it at this spread"


def test_power_is_the_chance_of_reproduction_if_the_study_is_right() -> None:
    metrics = rows("ours", [0.51, 0.53, 0.52]) + rows("theirs", [0.5] * 3)

    def power(lead: float) -> float:
        printed = [row("ours", 0.6 + lead, n=5), row("theirs", 0.6, n=5)]
        return float(
            str(judge(claim({"datasets": ["cifar10"]}, difference_from=AGAINST), metrics, published=printed)["power"])
        )

    # By the noncentral t distribution; the simulation has an error of 2.5 points.
    for lead in (0.0, 0.02, 0.05):
        exact = 1 - stats.nct.cdf(stats.t.ppf(0.975, 2), 2, lead / 0.01 * np.sqrt(3))
        assert power(lead) == pytest.approx(exact, abs=0.075)
    assert np.isnan(float(str(judge(claim(difference_from=AGAINST), metrics)["power"])))


def test_networks_at_chance_decide_nothing_about_accuracies() -> None:
    baseline = [row("", 0.1, seed, metric="majority_accuracy", n=1000) | {"model": None} for seed in range(3)]
    of = {"metric": "test_accuracy"}

    def judged(ours: float, theirs: float, **changes: Any) -> Row:
        values = [0.0, 0.001, 0.002]
        metrics = [
            one
            for name, level in (("ours", ours), ("theirs", theirs))
            for one in rows(name, [level + value for value in values], metric="test_accuracy")
        ]
        return judge(claim({**of, **changes.pop("of", {})}, **changes), metrics, analyses=baseline)

    against = {"difference_from": AGAINST}
    assert (judged(0.11, 0.10, **against)["mark"], judged(0.11, 0.10, **against)["reason"]) == (
        NOT_TESTED,
        "networks at chance",
    )
    # One that has learned is enough, on either side.
    assert judged(0.5, 0.1, **against)["mark"] == HOLDS
    assert judged(0.1, 0.5, **against)["mark"] == FAILS
    # To be at chance is a finding where another network has learned from the same samples.
    assert judged(0.1, 0.5, unit="percent", at_most=20)["mark"] == HOLDS
    assert judged(0.1, 0.1, unit="percent", at_most=20)["mark"] == NOT_TESTED
    # A property of accuracies is vacuous there as well; one of something else is not.
    assert judged(0.1, 0.1, at_least=-0.1, by_construction=True, **against)["mark"] == NOT_TESTED
    change = rows("ours", [0.001, 0.001], metric="logit_change") + rows("ours", [0.1, 0.1], metric="test_accuracy")
    invariant = claim({"metric": "logit_change"}, unit="ratio", at_most=0.01, by_construction=True)
    assert judge(invariant, change, analyses=baseline)["mark"] == BY_CONSTRUCTION


def test_many_epochs_are_one_mean_for_each_seed() -> None:
    metrics = [
        row(name, value, seed, condition=float(epoch), metric="norm")
        for name, scale in (("ours", 1.0), ("theirs", 2.0))
        for seed in range(3)
        for epoch, value in enumerate((100.0, scale, 3.0 * scale + seed / 100))
    ]
    of = {"metric": "norm", "conditions": "mean"}
    judged = judge(claim(of, unit="ratio", ratio_to=AGAINST, at_most=1), metrics)
    ratios = [(0.5 + (3.0 + seed / 100) / (6.0 + seed / 100)) / 2 for seed in range(3)]
    assert (judged["mark"], judged["n"], judged["mean"]) == (HOLDS, 3, pytest.approx(np.mean(ratios)))
    # Epoch 0 is before the training.
    alone = judge(claim(of, unit="number", at_most=3), metrics)
    assert alone["mean"] == pytest.approx(np.mean([(1.0 + 3.0 + seed / 100) / 2 for seed in range(3)]))


def test_medians_of_timings_have_the_interval_of_their_quartiles() -> None:
    entries = [
        row("ours", value, None, item=item, metric=f"overhead{end}", n=41)
        for item, level in (("fft", 0.3), (None, 0.001))
        for end, value in (("", level), ("_low", level - 0.01), ("_high", level + 0.01))
    ]
    of = {"metric": "overhead", "items": ["fft"]}
    judged = judge(claim(of, unit="percent", at_least=0), analyses=entries)
    error = 0.02 / 1.349 * np.sqrt(np.pi / 2 / 41)
    assert (judged["mark"], judged["n"], judged["mean"]) == (HOLDS, 41, 0.3)
    assert judged["high"] - judged["mean"] == pytest.approx(stats.t.ppf(0.975, 40) * error, rel=1e-6)
    closed = judge(claim({"metric": "overhead"}, unit="percent", at_least=0), analyses=entries)
    assert (closed["mark"], closed["reason"]) == (OPEN, "the 95 % interval contains the bound")
    assert np.isnan(float(str(closed["seeds_to_decide"])))


def test_the_study_of_phases_is_judged_by_its_own_readings() -> None:
    suite = read_model(Suite, ROOT / "workflow" / "suites" / "phase_matters.yaml", "suite")
    published = pd.DataFrame([value.as_row() for value in read_published(ROOT)])
    nothing = pd.DataFrame(columns=["run"])
    analyses = []
    for name, experiment in suite.experiments.items():
        for choice in experiment.analyses.values():
            own = (published["suite"] == suite.name) & (published["experiment"] == name)
            readings = published[own & published["metric"].isin(choice.published or ())]
            analyses.append(analyse_projections([], readings).assign(suite=suite.name, experiment=name))
    table_of_readings = pd.concat(analyses, ignore_index=True)
    judged = judge_claims(
        read_claims(ROOT, [suite]), nothing, table_of_readings, nothing.assign(parameters=[]), published
    ).set_index("claim")
    answers = judged["paper_agrees"].to_dict()
    # By hand: the means of the readings at steps 500, 1,000 and 2,000 are 77.7 and 10.5, 31.3 and 39.3 %.
    assert {name for name, answer in answers.items() if answer == "yes"} == {
        *("phase_above_amplitude", "amplitude_at_chance", "phase_best", "phase_like_half", "real_like_imaginary"),
        *("sign_above_absolute_value", "absolute_value_poor", "sign_like_phase"),
        "binary_weights_retain_accuracy",
    }
    assert "no" not in answers.values()
