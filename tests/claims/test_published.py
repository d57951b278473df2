"""The published numbers, against the papers' own sums and the table of models."""

from pathlib import Path

import pytest
from support.checkout import ROOT

from phasebench.claims.published import PublishedValue, read_published
from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import as_model
from phasebench.models.registry import REGISTRY

HEADER = "suite,experiment,dataset,encoding,train_fraction,model,metric,value,unit,where\n"
LINE = "study,table,digits,rgb,1.0,net,test_accuracy,69.23,percent,Table 1\n"


@pytest.fixture(scope="module")
def published() -> list[PublishedValue]:
    return read_published(ROOT)


def accuracies(
    published: list[PublishedValue], experiment: str, suite: str = "co_domain_symmetry"
) -> dict[tuple[object, ...], float]:
    return {
        (value.model, value.dataset, value.encoding, value.train_fraction): value.value
        for value in published
        if (value.suite, value.experiment) == (suite, experiment) and value.metric == "test_accuracy"
    }


def test_table_1_is_complete(published: list[PublishedValue]) -> None:
    table = accuracies(published, "table_1")
    models = {"cifarnet_dcn", "cifarnet_surreal", "cifarnet_real", "cifarnet_type_i", "cifarnet_type_e"}
    assert {key[0] for key in table} == models
    assert len(table) == 5 * 3 * 3
    # The best of each column, as the paper sets it in bold.
    best = {
        (dataset, encoding): max(models, key=lambda model: table[model, dataset, encoding, 1.0])
        for dataset in ("cifar10", "cifar100", "svhn")
        for encoding in ("rgb", "lab", "sliding")
    }
    assert {key for key, model in best.items() if model == "cifarnet_type_i"} == {
        ("cifar10", "rgb"),
        ("svhn", "rgb"),
        ("svhn", "lab"),
        ("svhn", "sliding"),
    }
    assert set(best.values()) == {"cifarnet_type_i", "cifarnet_type_e"}


def test_table_2_is_complete(published: list[PublishedValue]) -> None:
    table = accuracies(published, "table_2")
    assert len(table) == 4 * 5

    def gain(other: str, fraction: float) -> float:
        own, theirs = (table[model, "mstar", "complex", fraction] for model in ("mstar_cds", other))
        return round(own - theirs, 9)

    # Section 5.3: the gains named in the text.
    assert (gain("mstar_dcn", 0.05), gain("mstar_surreal", 0.05)) == (19.7, 8.4)
    assert (gain("mstar_real", 1.0), gain("mstar_dcn", 1.0), gain("mstar_surreal", 1.0)) == (29.2, 7.0, 1.2)


def test_parameter_counts_agree_with_the_table_of_models(published: list[PublishedValue]) -> None:
    counts = {value.model: value.value for value in published if value.metric == "parameters"}
    assert {name: counts.get(name) for name in REGISTRY} == {
        name: entry.published_parameters for name, entry in REGISTRY.items()
    }


def test_the_spectral_tables_are_complete(published: list[PublishedValue]) -> None:
    tables = {name: accuracies(published, name, "spectral_batch_norm") for name in ("table_1", "table_2", "table_3")}
    assert [len(table) for table in tables.values()] == [15, 15, 6]

    def gain(table: str, dataset: str, model: str, insertion: str) -> float:
        own, plain = (tables[table][name, dataset, "rgb_normalised", 1.0] for name in (f"{model}_{insertion}", model))
        return round(own - plain, 9)

    # The gains named in the text, which are of means before rounding.
    assert gain("table_1", "cifar10", "resnet50", "sbn34") == pytest.approx(1.40, abs=0.011)
    assert gain("table_2", "cifar100", "resnet50", "sbn34") == pytest.approx(2.31, abs=0.011)
    assert gain("table_2", "cifar100", "vgg19", "sbn4") == 0.66
    assert gain("table_3", "tiny_imagenet", "resnet18", "sbn34") == pytest.approx(1.16, abs=0.011)
    assert gain("table_3", "tiny_imagenet", "resnet50", "sbn4") == pytest.approx(2.36, abs=0.011)
    # In every row of the tables the spectral layer leads.
    for table in tables.values():
        for (model, *setting), value in table.items():
            if "sbn" in str(model):
                network = str(model).partition("_")[0]
                others = [other for other in table if str(other[0]).partition("_")[0] == network]
                assert all(value >= table[other] for other in others), (model, setting)
    spreads = [value for value in published if value.suite == "spectral_batch_norm" and value.std is not None]
    assert len(spreads) == 15 + 15 + 6 + 3
    numbers = {(value.experiment, value.n) for value in spreads}
    assert numbers == {("table_1", 5), ("table_2", 5), ("table_3", 5), ("table_4", 3)}


def test_a_spread_becomes_a_fraction_like_its_value() -> None:
    value = PublishedValue(
        suite="s", model="m", metric="test_accuracy", value=94.43, std=0.11, n=5, unit="percent", where="Table I"
    )
    row = value.as_row()
    assert (row["value"], row["std"], row["n"]) == (0.9443, 0.0011, 5)


def test_a_spread_needs_several_networks() -> None:
    for n in ("", ",n"):
        header = HEADER.replace("value,", f"value,std{n},")
        line = LINE.replace("69.23,", "69.23,0.1," + ("1," if n else ""))
        with pytest.raises(PhasebenchError, match="'std' needs 'n', the number of networks, of at least 2"):
            as_model(PublishedValue, dict(zip(header.strip().split(","), line.strip().split(","), strict=True)), "line")


def test_a_percentage_becomes_a_fraction(published: list[PublishedValue]) -> None:
    for value in published:
        row = value.as_row()
        assert row["value"] == (pytest.approx(value.value / 100) if value.unit == "percent" else value.value)
        assert (value.unit == "percent") == (
            "accuracy" in value.metric or value.metric in ("training_overhead", "overfitting")
        )
    value = PublishedValue(suite="s", model="m", metric="test_accuracy", value=69.23, unit="percent", where="Table 1")
    assert value.as_row()["value"] == 0.6923


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + LINE.replace("69.23", "good"), "line 2: value: input should be a valid number"),
        (
            HEADER + LINE.replace("percent", "%"),
            "line 2: unit: input should be 'percent', 'count' or 'number'; found '%'",
        ),
        (HEADER + LINE.replace("net", ""), "line 2: key 'model' is missing"),
        (HEADER.replace("dataset", "data") + LINE, "line 2: key 'data' is not known; known keys: condition, dataset, "),
        (HEADER + LINE.replace(",Table 1", ""), "line 2: has more or fewer cells than the first line"),
        (
            HEADER + LINE + LINE.replace("69.23", "1"),
            "line 3: gives the same number as workflow/published/t.csv: line 2",
        ),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "workflow" / "published" / "t.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(PhasebenchError) as caught:
        read_published(tmp_path)
    assert str(caught.value).startswith("workflow/published/t.csv: " + message)
