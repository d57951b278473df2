"""What is measured for the figures: jitter, confidence, filters, embeddings and phase normalisation."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as vision

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import load_device_data
from phasebench.data.store import write_store
from phasebench.evaluation import colour_jitter, embedding, filter_similarity, phase_normalisation
from phasebench.evaluation.registry import load_evaluation
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.registry import build_model
from phasebench.nn.complex.layout import rotate
from phasebench.specs.run import Recipe, RunSpec

RECIPE = Recipe(optimizer="adamw", learning_rate=1e-3, batch_size=8, steps=1, validate_every=1)
INVARIANT = ("cifarnet_type_i", "cifarnet_type_e", "cifarnet_surreal")
VARYING = ("cifarnet_dcn", "cifarnet_real")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "colours.h5"
    rng = np.random.default_rng(0)
    write_store(
        path,
        path.with_suffix(".json"),
        samples=rng.integers(1, 256, (60, 32, 32, 3), dtype=np.uint8),
        labels=np.arange(60) % 10,
        splits={"train": np.arange(36), "test": np.arange(36, 60)},
        classes=[f"class{label}" for label in range(10)],
        source={"source": "generated"},
    )
    return path


def untrained(store: Path, model: str, encoding: str = "lab") -> TrainedRun:
    """A run whose weights are random, and whose statistics are of random images."""
    spec = RunSpec(
        scale="demo",
        suite="s",
        experiment="e",
        dataset="colours",
        encoding=encoding,
        model=model,
        recipe=RECIPE,
        seed=0,
    )
    data = load_device_data(spec, store, torch.device("cpu"))
    torch.manual_seed(1)
    channels, planes = data.encoding.n_channels, data.encoding.nonzero_planes
    network = build_model(model, n_classes=10, in_channels=channels, planes=planes)
    network(data.batch(data.train))
    return TrainedRun(spec, network.eval(), data)


def whole(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["item"].isna()]


# Colour jitter.

ORACLES = {
    "brightness": lambda image, amount: vision.adjust_brightness(image, 1.0 + amount),
    "contrast": lambda image, amount: vision.adjust_contrast(image, 1.0 + amount),
    "saturation": lambda image, amount: vision.adjust_saturation(image, 1.0 + amount),
    "hue": vision.adjust_hue,
}


@pytest.mark.parametrize("name", ORACLES)
def test_each_adjustment_is_torchvisions(name: str) -> None:
    images = np.random.default_rng(0).random((6, 8, 8, 3))
    amounts = np.linspace(-1.0, 1.0, 6) * colour_jitter.PUBLISHED_LIMITS[name]
    found = colour_jitter.ADJUSTMENTS[name](images, amounts[:, None, None, None])
    for image, amount, ours in zip(images, amounts, found, strict=True):
        expected = ORACLES[name](torch.from_numpy(image).permute(2, 0, 1), float(amount))
        # torchvision's weights of grey have four digits.
        np.testing.assert_allclose(ours, expected.permute(1, 2, 0), atol=2e-4)


def test_jitter_grows_with_its_strength_and_repeats() -> None:
    images = np.random.default_rng(0).random((40, 8, 8, 3))
    np.testing.assert_allclose(colour_jitter.jitter(images, 0.0, 0), images, atol=1e-12)
    distances = [np.abs(colour_jitter.jitter(images, strength, 3) - images).mean() for strength in (0.25, 0.5, 1.0)]
    assert distances == sorted(distances)
    np.testing.assert_array_equal(colour_jitter.jitter(images, 1.0, 3), colour_jitter.jitter(images, 1.0, 3))
    assert np.abs(colour_jitter.jitter(images, 1.0, 4) - colour_jitter.jitter(images, 1.0, 3)).max() > 0.01
    # The order of the adjustments differs between images.
    same = np.repeat(images[:1], 200, axis=0)
    assert len({image.round(6).tobytes() for image in colour_jitter.jitter(same, 1.0, 0)}) == 200


def test_no_jitter_gives_the_test_accuracy(store: Path) -> None:
    run = untrained(store, "cifarnet_real", "rgb")
    table = load_evaluation("colour_jitter")(run)
    assert set(table["condition"]) == set(colour_jitter.STRENGTHS)
    assert table[table["condition"] == 0.0]["value"].tolist() == [run.test_accuracy()]
    assert table.groupby("condition")["draw"].count().to_dict() == {0.0: 1, 0.25: 2, 0.5: 2, 0.75: 2, 1.0: 2}


def test_grey_images_are_not_jittered(store: Path) -> None:
    run = untrained(store, "cifarnet_real", "rgb")
    object.__setattr__(run.data, "samples", run.data.samples[..., :1])
    with pytest.raises(PhasebenchError, match="colour_jitter: 'colours' has no colours"):
        load_evaluation("colour_jitter")(run)


# Confidence.


@pytest.mark.parametrize("model", [*INVARIANT, *VARYING])
def test_confidence_is_that_of_the_turned_image(store: Path, model: str) -> None:
    run = untrained(store, model)
    table = load_evaluation("confidence")(run)
    assert len(table) == 36 * 9
    spread = table.groupby(table["item"].fillna("mean"))["value"].agg(lambda values: values.max() - values.min())
    assert (spread < 1e-4).all() if model in INVARIANT else (spread > 1e-4).all()
    planes = run.data.batch(run.data.test[2:3])
    label = run.data.labels[run.data.test[2]]
    turned = torch.view_as_real(torch.complex(planes[:, 0], planes[:, 1]) * torch.exp(torch.tensor(1j * math.pi / 2)))
    with torch.inference_mode():
        expected = run.model(turned.movedim(-1, 1).contiguous()).softmax(dim=1)[0, label]
    row = table[(table["item"] == "image2") & (table["condition"] == 90.0)]
    assert row["value"].item() == pytest.approx(expected.item(), abs=1e-5)


# Phase normalisation.


@pytest.mark.parametrize("name", ["circular", "unit_circular"])
def test_circular_normalisation_makes_any_network_invariant(store: Path, name: str) -> None:
    run = untrained(store, "cifarnet_dcn")
    model, planes = run.model.double(), run.data.batch(run.data.test).double()
    turned = rotate(planes, torch.linspace(-3.0, 3.0, len(planes), dtype=torch.float64))
    average = phase_normalisation.NORMALISATIONS[name]
    with torch.inference_mode():
        logits = [model(phase_normalisation.normalise_phase(maps, average)) for maps in (planes, turned)]
        moved = (model(turned) - model(planes)).abs().max()
    torch.testing.assert_close(logits[1], logits[0], rtol=1e-10, atol=1e-12)
    assert moved > 1e-3


def test_the_arithmetic_mean_of_angles_is_not_invariant(store: Path) -> None:
    def normalised(maps: Tensor) -> Tensor:
        return phase_normalisation.normalise_phase(maps, phase_normalisation.arithmetic_phase)

    planes = untrained(store, "cifarnet_dcn").data.batch(torch.arange(24)).double()
    turned = rotate(planes, torch.full((24,), 2.0, dtype=torch.float64))
    once, again = (
        phase_normalisation.normalise_phase(m, phase_normalisation.arithmetic_phase) for m in (planes, turned)
    )
    assert (once - again).abs().max() > 0.01
    # Where no angle passes 180 degrees it is.
    narrow = torch.stack((1.0 + planes[:, 0].abs(), 0.1 * planes[:, 1]), dim=1)
    turned = rotate(narrow, torch.full((24,), 2.0, dtype=torch.float64))
    once, again = (
        phase_normalisation.normalise_phase(m, phase_normalisation.arithmetic_phase) for m in (narrow, turned)
    )
    torch.testing.assert_close(once, again, rtol=0.0, atol=1e-10)


def test_rows_of_the_phase_normalisation(store: Path) -> None:
    table = load_evaluation("phase_normalisation")(untrained(store, "cifarnet_dcn"))
    circular = table[table["metric"] == "accuracy_phase_circular"]
    assert circular.groupby("condition")["draw"].count().to_dict() == {0.0: 1} | dict.fromkeys(
        (45.0, 90.0, 135.0, 180.0), 2
    )
    assert set(table["metric"]) == {f"accuracy_phase_{name}" for name in ("circular", "unit_circular", "arithmetic")}


# Embeddings.


@pytest.mark.parametrize("model", [*INVARIANT, *VARYING])
def test_only_invariant_networks_have_embeddings_that_stand_still(store: Path, model: str) -> None:
    table = load_evaluation("embedding")(untrained(store, model).first(10))
    ratios = whole(table).set_index("metric")["value"]
    if model in INVARIANT:
        assert ratios["embedding_spread_ratio"] < 1e-4
        assert ratios["tsne_spread_ratio"] < 0.2
    else:
        assert ratios["embedding_spread_ratio"] > 0.05
    points = table.dropna(subset="item")
    assert points.groupby("metric").size().to_dict() == {"tsne_x": 360, "tsne_y": 360}
    assert points.groupby(["metric", "item", "condition"]).size().max() == 1


def test_spread_ratio_by_hand() -> None:
    # Two images, one of them still, the other at distance 1 around its centre; the centres are 4 apart.
    points = np.array([[[0.0, 1.0], [0.0, -1.0]], [[4.0, 0.0], [4.0, 0.0]]])
    assert embedding.spread_ratio(points) == pytest.approx(math.sqrt(0.5) / 2.0)
    assert math.isnan(embedding.spread_ratio(points[:1]))


def test_the_embedding_is_what_the_last_layer_sees(store: Path) -> None:
    run = untrained(store, "cifarnet_real")
    planes = run.data.batch(run.data.test)
    head = run.model.get_submodule("features.10")
    with torch.inference_mode():
        torch.testing.assert_close(head(embedding.last_features(run.model, planes)), run.model(planes))


# Similarity of filters.


class Two(nn.Module):
    """Two convolutions; the second has two equal filters, one of opposite sign and one of its own."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.conv1, self.between, self.conv2 = nn.Conv2d(4, 3, 3), between, nn.Conv2d(3, 4, 3)
        with torch.no_grad():
            self.conv2.weight[1] = self.conv2.weight[0]
            self.conv2.weight[2] = -self.conv2.weight[0]

    def forward(self, planes: Tensor) -> Tensor:
        result: Tensor = self.conv2(self.between(self.conv1(planes.flatten(1, 2))))
        return result


def test_equal_and_opposite_filters() -> None:
    torch.manual_seed(0)
    images = [torch.randn(5, 2, 2, 9, 9), torch.randn(2, 2, 2, 9, 9)]
    linear = Two(nn.Identity())
    similarity = torch.corrcoef(filter_similarity.filter_patterns(linear, images, None))
    assert similarity[0, 1:3].tolist() == pytest.approx([1.0, -1.0], abs=1e-5)
    assert abs(similarity[0, 3]) < 0.99
    rectified = Two(nn.ReLU())
    plain = filter_similarity.filter_patterns(rectified, images, None)
    guided = filter_similarity.filter_patterns(rectified, images, filter_similarity.positive_gradient)
    assert (plain - guided).abs().max() > 1e-4
    torch.testing.assert_close(plain[2], -plain[0])


def test_guided_patterns_against_the_chain_rule() -> None:
    torch.manual_seed(0)
    model, images = Two(nn.ReLU()), torch.randn(6, 2, 2, 9, 9)
    found = filter_similarity.filter_patterns(model, [images], filter_similarity.positive_gradient)
    hidden = model.conv1(images.flatten(1, 2))
    ones = torch.ones(6, 1, 5, 5) / 25
    for number in range(4):
        behind = nn.functional.conv_transpose2d(ones, model.conv2.weight[number : number + 1]).clamp(min=0.0)
        before = nn.functional.conv_transpose2d(behind * (hidden > 0.0), model.conv1.weight)
        torch.testing.assert_close(found[number], before.mean(dim=0).flatten())


def test_the_rule_of_moduli_cuts_only_what_shrinks_them() -> None:
    torch.manual_seed(0)
    maps, gradient = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    kept = filter_similarity.positive_modulus_gradient(gradient, maps)
    direction = maps / maps.norm(dim=1, keepdim=True)
    along, along_kept = ((values * direction).sum(dim=1) for values in (gradient, kept))
    torch.testing.assert_close(along_kept, along.clamp(min=0.0))
    across = torch.stack((-direction[:, 1], direction[:, 0]), dim=1)
    torch.testing.assert_close((kept * across).sum(dim=1), (gradient * across).sum(dim=1))
    assert filter_similarity.positive_modulus_gradient(gradient, torch.zeros_like(maps)).isfinite().all()


@pytest.mark.parametrize("model", [*INVARIANT, *VARYING])
def test_every_image_model_has_its_pairs(store: Path, model: str) -> None:
    run = untrained(store, model)
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    table = load_evaluation("filter_similarity")(run)
    pairs = table.dropna(subset="item")
    assert pairs.groupby("metric").size().to_dict() == dict.fromkeys(
        ("filter_similarity_guided", "filter_similarity_plain"), 32 * 31 // 2
    )
    assert pairs["value"].between(-1.0 - 1e-6, 1.0 + 1e-6).all()
    means = whole(table).set_index("metric")["value"]
    guided = pairs[pairs["metric"] == "filter_similarity_guided"]["value"]
    assert means["filter_similarity_guided_mean"] == pytest.approx(guided.mean())
    assert means["filter_similarity_guided_mean_abs"] == pytest.approx(guided.abs().mean())
    assert means["filter_similarity_guided_offset"] == pytest.approx(abs(guided.mean()))
    same = means["filter_similarity_guided_mean"] == means["filter_similarity_plain_mean"]
    assert same == (model == "cifarnet_surreal")
    # Nothing is left on the network.
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in weights.items())
    layer = filter_similarity.second_convolution(run.model)
    assert not {"forward", "average"} & vars(layer).keys()


def test_a_model_without_a_rule_is_named(store: Path) -> None:
    run = untrained(store, "cifarnet_real")
    odd = TrainedRun(run.spec.model_copy(update={"model": "mstar_real"}), run.model, run.data)
    with pytest.raises(
        PhasebenchError, match="'mstar_real' has no guided_rule in the table of models; give it one of positive"
    ):
        load_evaluation("filter_similarity")(odd)
