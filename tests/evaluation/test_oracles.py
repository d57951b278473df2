"""The figures' measurements against finite differences, other formulae, torchvision's jitter and invariances."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as vision

from phasebench.data.batches.in_memory import load_device_data
from phasebench.data.store import write_store
from phasebench.evaluation import colour_jitter, embedding, filter_similarity
from phasebench.evaluation.registry import load_evaluation
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.registry import REGISTRY, build_model
from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.arithmetic import scale_channels
from phasebench.nn.complex.layout import as_complex, as_planes, rotate
from phasebench.nn.complex.manifold import to_polar
from phasebench.specs.run import Recipe, RunSpec

Stage = Callable[[nn.Module, Tensor], Tensor]
GUIDED_RULES = {
    name: filter_similarity.RULES[entry.guided_rule] for name, entry in REGISTRY.items() if entry.guided_rule
}


def complex_normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.complex128)


# What lies before and in the second convolution of each network, written out from the layers' plain definitions.


def up_to_second(name: str, model: nn.Module, planes: Tensor) -> Tensor:
    """The second convolution's input; polar in SurReal."""
    stages: dict[str, Stage] = {
        "cifarnet_real": lambda m, x: m.features[1](m.features[0](x.flatten(1, 2)[:, m.planes.indices])),
        "cifarnet_dcn": lambda m, x: complex_relu(m.conv1(x)),
        "cifarnet_type_i": lambda m, x: m.activation1(m.division(m.conv1(x))),
        "cifarnet_type_e": lambda m, x: m.activation1(m.conv1(x)),
        "cifarnet_surreal": lambda m, x: m.transport1(m.mean1(to_polar(x))),
        "mstar_cds": lambda m, x: m.pool(m.activation1(m.invariant(m.conv1(x)))),
        "mstar_surreal": lambda m, x: m.transport1(m.mean1(to_polar(x[..., 14:114, 14:114]))),
    }
    return stages[name](model, planes)


def mean_responses(name: str, model: nn.Module, maps: Tensor) -> Tensor:
    """The second convolution's mean response ``(N, filters)``; channel factors, which scale patterns, are included."""
    if name == "cifarnet_real":
        return model.get_submodule("features.2")(maps).mean(dim=(2, 3))
    if name.endswith("surreal"):
        return model.get_submodule("mean2")(maps)[:, 0].mean(dim=(2, 3))
    output = model.get_submodule("conv2")(maps)
    if name != "cifarnet_dcn":
        output = scale_channels(output, model.get_submodule("activation2").scale)
    return as_complex(output).abs().mean(dim=(2, 3))


def network(name: str) -> nn.Module:
    torch.manual_seed(3)
    channels = 1 if name.startswith("mstar") else 2
    return build_model(name, n_classes=10, in_channels=channels, planes=range(3)).double().eval()


def encoded(name: str, count: int) -> Tensor:
    torch.manual_seed(4)
    return as_planes(
        complex_normal(count, 1, 128, 128) if name.startswith("mstar") else complex_normal(count, 2, 32, 32)
    )


@pytest.mark.parametrize("name", GUIDED_RULES)
def test_plain_patterns_are_derivatives_of_the_mean_response(name: str) -> None:
    model, planes = network(name), encoded(name, 3)
    patterns = filter_similarity.filter_patterns(model, [planes[:2], planes[2:]], None)
    # All images move along one direction, so that the response moves as the averaged pattern says.
    direction = torch.randn_like(planes[:1])
    with torch.no_grad():
        before, after = (
            mean_responses(name, model, up_to_second(name, model, planes + step * direction)).mean(dim=0)
            for step in (-1e-6, 1e-6)
        )
    torch.testing.assert_close(patterns @ direction.flatten(), (after - before) / 2e-6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, rule in GUIDED_RULES.items() if rule])
def test_guided_patterns_are_those_of_two_separate_steps(name: str) -> None:
    model, planes = network(name), encoded(name, 2)
    found = filter_similarity.filter_patterns(model, [planes], GUIDED_RULES[name])
    images = planes.clone().requires_grad_()
    behind = up_to_second(name, model, images)
    for number in (0, 1, found.shape[0] - 1):
        maps = behind.detach().requires_grad_()
        gradient = torch.autograd.grad(mean_responses(name, model, maps)[:, number].sum(), maps)[0]
        if name in ("cifarnet_real", "cifarnet_dcn"):
            gradient = gradient * (gradient > 0.0)
        else:
            # In polar form relative to the map, the real part is the derivative with respect to the modulus.
            unit = as_complex(maps.detach()).sgn()
            relative = as_complex(gradient) * unit.conj()
            gradient = as_planes(torch.complex(relative.real.clamp(min=0.0), relative.imag) * unit)
        expected = torch.autograd.grad(behind, images, gradient, retain_graph=True)[0].mean(dim=0).flatten()
        torch.testing.assert_close(found[number], expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["cifarnet_dcn", "cifarnet_type_i", "cifarnet_type_e", "mstar_cds"])
def test_filters_that_differ_by_a_complex_factor_are_alike(name: str) -> None:
    model, planes = network(name), encoded(name, 2)
    convolution = model.get_submodule("conv2")
    with torch.no_grad():
        # A real scale and a turn by 0.6 + 0.8 i leave the direction of the modulus' gradient.
        re, im = 3.0 * convolution.weight[:, 0]
        convolution.weight[:, 1] = torch.stack((0.6 * re - 0.8 * im, 0.8 * re + 0.6 * im))
    for rule in (GUIDED_RULES[name], None):
        similarity = torch.corrcoef(filter_similarity.filter_patterns(model, [planes], rule))
        assert similarity[0, 1].item() == pytest.approx(1.0, abs=1e-9)
        assert similarity[0, 2].abs().item() < 1.0 - 1e-3


# Whole evaluations on a store of generated images.


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "colours.h5"
    rng = np.random.default_rng(5)
    write_store(
        path,
        path.with_suffix(".json"),
        samples=rng.integers(1, 256, (30, 32, 32, 3), dtype=np.uint8),
        labels=np.arange(30) % 10,
        splits={"train": np.arange(18), "test": np.arange(18, 30)},
        classes=[f"class{label}" for label in range(10)],
        source={"source": "generated"},
    )
    return path


def untrained(store: Path, model: str) -> TrainedRun:
    recipe = Recipe(optimizer="adamw", learning_rate=1e-3, batch_size=8, steps=1, validate_every=1)
    spec = RunSpec(
        scale="demo",
        suite="s",
        experiment="e",
        dataset="colours",
        encoding="lab",
        model=model,
        recipe=recipe,
        seed=0,
    )
    data = load_device_data(spec, store, torch.device("cpu"))
    torch.manual_seed(6)
    channels, planes = data.encoding.n_channels, data.encoding.nonzero_planes
    built = build_model(model, n_classes=10, in_channels=channels, planes=planes)
    built(data.batch(data.train))
    return TrainedRun(spec, built, data)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "name", ["colour_jitter", "confidence", "embedding", "filter_similarity", "phase_normalisation"]
)
def test_evaluations_repeat_and_leave_the_network_as_it_was(
    store: Path, name: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # t-SNE of a few points.
    monkeypatch.setattr(embedding, "ANGLES_DEGREES", range(0, 360, 60))
    run = untrained(store, "cifarnet_type_i")
    run.model.train(training)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    evaluate = load_evaluation(name)
    first, second = evaluate(run), evaluate(run)
    pd.testing.assert_frame_equal(first, second)
    assert {"metric", "condition", "draw", "value"} <= set(first.columns)
    assert run.model.training == training
    assert all(torch.equal(value, before[key]) for key, value in run.model.state_dict().items())
    assert all(parameter.grad is None for parameter in run.model.parameters())


def test_circular_normalisation_undoes_every_range(store: Path) -> None:
    run = untrained(store, "cifarnet_dcn")
    table = load_evaluation("phase_normalisation")(run)
    for name in ("circular", "unit_circular"):
        accuracies = table[table["metric"] == f"accuracy_phase_{name}"]
        assert accuracies["condition"].nunique() > 3
        assert accuracies["value"].nunique() == 1


class FirstTwo:
    """Stands in for t-SNE: the first two dimensions."""

    def __init__(self, **_: object) -> None:
        pass

    def fit_transform(self, points: np.ndarray) -> np.ndarray:
        return points[:, :2]


def test_every_embedding_is_at_its_image_and_angle(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "TSNE", FirstTwo)
    run = untrained(store, "cifarnet_real")
    table = load_evaluation("embedding")(run).set_index(["metric", "item", "condition"])["value"]
    for image, degrees in ((0, 0.0), (3, 130.0), (9, 350.0)):
        planes = run.data.batch(run.data.test[image : image + 1])
        turned = rotate(planes, torch.tensor([degrees]).deg2rad())
        with torch.inference_mode():
            hidden = run.model.eval().get_submodule("features")[:10](turned.flatten(1, 2)[:, run.model.planes.indices])
        found = [table[(metric, f"image{image}", degrees)] for metric in ("tsne_x", "tsne_y")]
        assert found == pytest.approx(hidden[0, :2].tolist(), abs=1e-5)


@pytest.mark.parametrize("name", ["cifarnet_type_i", "cifarnet_type_e", "cifarnet_dcn", "cifarnet_surreal"])
def test_logits_follow_from_the_embedding(store: Path, name: str) -> None:
    run = untrained(store, name)
    planes = run.data.batch(run.data.test)
    last = {"cifarnet_dcn": "head.2", "cifarnet_surreal": "tail.4"}.get(name, "head")
    features = embedding.last_features(run.model, planes)
    with torch.inference_mode():
        logits = run.model.eval().get_submodule(last)(features)
        torch.testing.assert_close(logits, run.model(planes), rtol=1e-4, atol=1e-5)


def test_jitter_of_one_image_is_torchvisions_in_the_same_order() -> None:
    images = np.random.default_rng(7).random((12, 8, 8, 3))
    found = colour_jitter.jitter(images, 0.75, 2)
    random = np.random.default_rng(2)
    shares = random.uniform(-1.0, 1.0, (4, len(images)))
    orders = random.permuted(np.tile(np.arange(4), (len(images), 1)), axis=1)
    assert len({tuple(order) for order in orders.tolist()}) > 5
    limits = np.array([[0.4], [0.4], [0.4], [0.1]])
    for image, ours, order, amounts in zip(images, found, orders, (0.75 * limits * shares).T, strict=True):
        expected = torch.from_numpy(image).permute(2, 0, 1)
        for step in order:
            adjust = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation, vision.adjust_hue)[
                step
            ]
            expected = adjust(expected, float(amounts[step]) if step == 3 else 1.0 + float(amounts[step]))
        # torchvision's weights of grey have four digits, which a turn of the hue can enlarge; a level of uint8 is 4e-3.
        np.testing.assert_allclose(ours, expected.permute(1, 2, 0), atol=1e-3)
