"""Perceptrons on the whole training set, against the study's own gradients and its stored losses."""

import dataclasses
import math
import os

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision import datasets

from phasebench.errors import DivergedError, PhasebenchError
from phasebench.models.mlp import Perceptron, class_scores, encode_pixels, matrix_product, prepare_inputs
from phasebench.models.registry import count_parameters
from phasebench.training.perceptron_run import (
    COLUMNS,
    FIGURES,
    N_TRAIN,
    PerceptronSettings,
    PerceptronState,
    train_perceptron,
)

SMALL = PerceptronSettings(hidden=(7,), learning_rate=0.1, iterations=6, snapshot_every=2, initial_scale=0.3)


def small_data(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images of 3 x 3 pixels, one of them always black; 20 to train on and 30 to test."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(50, 3, 3, generator=generator, dtype=torch.float64)
    pixels[:20, 0, 0] = 0.0
    labels = torch.randint(4, (50,), generator=generator)
    return pixels[:20], labels[:20], pixels[20:], labels[20:]


def native(planes: Tensor) -> np.ndarray:
    return torch.complex(planes[0], planes[1]).detach().numpy()


def loss_and_gradients(
    first: np.ndarray, second: np.ndarray, inputs: np.ndarray, labels: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, and its derivatives with equations 1 and 2 of appendix A.2, as dL/dRe W + i dL/dIm W."""
    z1 = first @ inputs
    a1 = np.maximum(z1.real, 0) + 1j * np.maximum(z1.imag, 0)
    z2 = second @ a1
    exponential = np.exp(np.abs(z2) ** 2)
    a2 = exponential / exponential.sum(axis=0)
    n_samples = inputs.shape[1]
    y = np.eye(len(second))[labels].T
    loss = -np.sum(y * np.log(a2)) / n_samples

    d_re, d_im = (a2 - y) * 2 * z2.real / n_samples, (a2 - y) * 2 * z2.imag / n_samples
    second_re = d_re @ a1.real.T + d_im @ a1.imag.T
    second_im = d_im @ a1.real.T - d_re @ a1.imag.T
    a_re = second.real.T @ d_re + second.imag.T @ d_im
    a_im = second.real.T @ d_im - second.imag.T @ d_re
    z_re, z_im = a_re * (1 + np.sign(z1.real)) / 2, a_im * (1 + np.sign(z1.imag)) / 2
    first_re = z_re @ inputs.real.T + z_im @ inputs.imag.T
    first_im = z_im @ inputs.real.T - z_re @ inputs.imag.T
    return float(loss), first_re + 1j * first_im, second_re + 1j * second_im


def test_a_pixel_is_its_own_modulus_and_pi_times_it_the_phase() -> None:
    pixels = torch.tensor([[0.0, 0.5, 1.0, 0.25]], dtype=torch.float64)
    encoded = native(encode_pixels(pixels, complex_valued=True))
    quarter = 0.25 * math.sqrt(0.5) * (1 + 1j)
    np.testing.assert_allclose(encoded, [[0, 0.5j, -1, quarter], [-1, -1, -1, -1]], atol=1e-15)


def test_a_real_network_sees_the_pixels_and_a_row_of_ones() -> None:
    pixels = torch.tensor([[0.0, 0.5, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]]], dtype=torch.float64)
    torch.testing.assert_close(encode_pixels(pixels, complex_valued=False), expected, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_the_product_is_that_of_complex_matrices(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, planes = (
        torch.randn(*shape, 2, *matrix, generator=generator, dtype=torch.float64) for matrix in ((4, 6), (6, 5))
    )
    expected = torch.complex(*weight.unbind(-3)) @ torch.complex(*planes.unbind(-3))
    result = matrix_product(weight, planes)
    torch.testing.assert_close(torch.complex(*result.unbind(-3)), expected)
    torch.testing.assert_close(matrix_product(weight, planes, planes.sum(dim=-3)), result, rtol=0, atol=0)
    torch.testing.assert_close(class_scores(result), expected.abs().square())


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("figure_1_left", 159_000),
        ("figure_1_right", 454_120),
        ("figure_3_a", 814_080),
        ("figure_3_b", 31_800),
        ("figure_3_c", 908_240),
        ("figure_3_d", 80_900),
    ],
)
def test_networks_of_the_figures_have_the_size_of_the_study(figure: str, expected: int) -> None:
    settings = FIGURES[figure]
    network = Perceptron((785, *settings.hidden, 10), settings.complex_valued, settings.activated)
    assert count_parameters(network) == expected


def test_initial_weights_are_drawn_layer_by_layer_real_parts_first() -> None:
    network = Perceptron((6, 5, 3), complex_valued=True, seed=2)
    # Legacy seeding is part of what is replayed.
    np.random.seed(2)  # noqa: NPY002
    expected = [np.random.randn(*shape) * 0.01 for shape in ((5, 6), (5, 6), (3, 5), (3, 5))]  # noqa: NPY002
    drawn = [plane for weight in network.weights for plane in weight.detach().numpy()]
    for plane, values in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(plane, values)


def test_activations_are_counted() -> None:
    with pytest.raises(ValueError, match="2 hidden layers, but 1 entries"):
        Perceptron((6, 5, 4, 3), complex_valued=False, activated=(True,))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_derivatives_of_the_appendix_are_those_of_autograd(seed: int) -> None:
    pixels, labels, _, _ = small_data(seed)
    inputs = encode_pixels(pixels.flatten(1).T, complex_valued=True)
    network = Perceptron((10, 7, 4), complex_valued=True, seed=seed, scale=0.5)
    loss = functional.cross_entropy(network(inputs).T, labels)
    first, second = torch.autograd.grad(loss, list(network.weights))
    expected = loss_and_gradients(*map(native, network.weights), native(inputs), labels.numpy())
    assert loss.item() == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(native(first), expected[1], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(native(second), expected[2], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("complex_valued", [True, False])
def test_derivatives_are_those_of_finite_differences(complex_valued: bool) -> None:
    pixels, labels, _, _ = small_data()
    inputs = encode_pixels(pixels.flatten(1).T, complex_valued)
    network = Perceptron((10, 5, 4, 4), complex_valued, activated=(True, False), scale=0.5)

    def loss(*weights: Tensor) -> Tensor:
        named = {f"weights.{index}": weight for index, weight in enumerate(weights)}
        return functional.cross_entropy(torch.func.functional_call(network, named, inputs).T, labels)

    weights = [weight.detach().clone().requires_grad_() for weight in network.weights]
    assert torch.autograd.gradcheck(loss, weights)


@pytest.mark.parametrize("complex_valued", [True, False])
def test_leaving_out_black_pixels_changes_nothing(complex_valued: bool) -> None:
    pixels, labels, _, _ = small_data()
    inputs = encode_pixels(pixels.flatten(1).T, complex_valued)
    network = Perceptron((10, 7, 4), complex_valued, scale=0.5)
    prepared = prepare_inputs(inputs)
    assert prepared.rows.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    torch.testing.assert_close(network(prepared), network(inputs), rtol=1e-13, atol=1e-14)
    with_all, without = (
        torch.autograd.grad(functional.cross_entropy(network(data).T, labels), list(network.weights))
        for data in (inputs, prepared)
    )
    torch.testing.assert_close(without, with_all, rtol=1e-11, atol=1e-14)
    assert not without[0][:, :, 0].any()


def test_training_follows_the_derivatives_of_the_appendix() -> None:
    pixels, labels, test_pixels, test_labels = small_data()
    result = train_perceptron(SMALL, pixels, labels, test_pixels, test_labels, n_classes=4)
    first, second = map(native, Perceptron((10, 7, 4), complex_valued=True, seed=2, scale=0.3).weights)
    inputs = native(encode_pixels(pixels.flatten(1).T, complex_valued=True))
    losses = []
    for _ in range(6):
        loss, d_first, d_second = loss_and_gradients(first, second, inputs, labels.numpy())
        first, second = first - 0.1 * d_first, second - 0.1 * d_second
        losses.append(loss)
    table = result.table
    np.testing.assert_allclose(table[table["metric"] == "loss"]["value"], losses, rtol=1e-12)
    np.testing.assert_allclose(native(result.network.weights[0]), first, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(native(result.network.weights[1]), second, rtol=1e-10, atol=1e-13)

    last = table[(table["step"] == 6) & (table["projection"] == "origin") & (table["metric"] == "accuracy")]
    hidden = first @ native(encode_pixels(test_pixels.flatten(1).T, complex_valued=True))
    outputs = second @ (np.maximum(hidden.real, 0) + 1j * np.maximum(hidden.imag, 0))
    assert last["value"].tolist() == [np.mean(np.abs(outputs).argmax(axis=0) == test_labels.numpy())]


def test_the_second_hidden_layer_of_a_real_network_can_be_linear() -> None:
    pixels, labels, test_pixels, test_labels = small_data()
    settings = dataclasses.replace(SMALL, hidden=(7, 5), complex_valued=False, activated=(True, False))
    result = train_perceptron(settings, pixels, labels, test_pixels, test_labels, n_classes=4)
    start = Perceptron((10, 7, 5, 4), complex_valued=False, scale=0.3)
    weights = [weight[0].detach().clone().requires_grad_() for weight in start.weights]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    rows = functional.pad(pixels.flatten(1), (0, 1), value=1.0)
    for _ in range(6):
        optimizer.zero_grad()
        functional.cross_entropy((rows @ weights[0].T).relu() @ weights[1].T @ weights[2].T, labels).backward()
        optimizer.step()
    for ours, reference in zip(result.network.weights, weights, strict=True):
        torch.testing.assert_close(ours[0], reference, rtol=1e-10, atol=1e-13)


def test_the_table_has_every_loss_and_every_projection_at_snapshots() -> None:
    settings = dataclasses.replace(SMALL, element_draws=3)
    table = train_perceptron(settings, *small_data(), n_classes=4).table
    assert tuple(table.columns) == COLUMNS
    assert table[table["metric"] == "loss"]["step"].tolist() == [1, 2, 3, 4, 5, 6]
    accuracies = table[table["metric"] == "accuracy"]
    assert set(zip(accuracies["step"], accuracies["projection"], strict=True)) == {
        (step, name)
        for step in (2, 4, 6)
        for name in (
            "origin", "half_units", "half_elements", "only_phase", "only_amplitude", "only_real", "only_imaginary",
        )
    }  # fmt: skip
    assert len(accuracies) == 21
    assert accuracies["value"].between(0, 1).all()
    deviations = table[table["metric"] == "accuracy_std"]
    assert set(deviations["projection"]) == {"half_units", "half_elements"}
    assert not table.duplicated(["step", "projection", "split", "metric"]).any()


def test_mean_and_deviation_are_those_of_the_draws() -> None:
    # With one hidden unit nothing is zeroed, so that every draw is the network itself.
    settings = dataclasses.replace(SMALL, hidden=(1,))
    table = train_perceptron(settings, *small_data(), n_classes=4).table
    values = table[table["step"] == 4].set_index(["projection", "metric"])["value"]
    assert values["half_units", "accuracy"] == pytest.approx(values["origin", "accuracy"], rel=1e-14)
    assert values["half_units", "accuracy_std"] == pytest.approx(0.0, abs=1e-14)


def test_snapshots_do_not_touch_the_training() -> None:
    rare = train_perceptron(dataclasses.replace(SMALL, snapshot_every=6), *small_data(), n_classes=4)
    often = train_perceptron(dataclasses.replace(SMALL, snapshot_every=1), *small_data(), n_classes=4)
    for one, other in zip(rare.network.weights, often.network.weights, strict=True):
        assert torch.equal(one, other)
    at_the_end = often.table[often.table["step"] == 6].reset_index(drop=True)
    assert at_the_end.equals(rare.table[rare.table["step"] == 6].reset_index(drop=True))


def test_the_seed_decides_everything() -> None:
    first, again, other = (
        train_perceptron(dataclasses.replace(SMALL, seed=seed), *small_data(), n_classes=4).table for seed in (2, 2, 3)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_a_run_that_goes_on_from_a_snapshot_ends_as_if_it_had_not_stopped() -> None:
    states: list[PerceptronState] = []
    whole = train_perceptron(SMALL, *small_data(), n_classes=4, save=states.append)
    assert [state.step for state in states] == [2, 4, 6]
    resumed = train_perceptron(SMALL, *small_data(), n_classes=4, state=states[1])
    assert resumed.table.equals(whole.table)
    for one, other in zip(resumed.network.weights, whole.network.weights, strict=True):
        assert torch.equal(one, other)


def test_phases_that_feed_back_leave_one_modulus_in_every_layer() -> None:
    settings = dataclasses.replace(SMALL, feedback="only_phase")
    result = train_perceptron(settings, *small_data(), n_classes=4)
    for weight in result.network.weights:
        modulus = torch.hypot(weight[0], weight[1])
        torch.testing.assert_close(modulus, modulus.mean().expand_as(modulus), rtol=1e-13, atol=0)
    losses = result.table[result.table["metric"] == "loss"]["value"].tolist()
    free = train_perceptron(SMALL, *small_data(), n_classes=4).table
    # The first loss is that of the initial weights in both.
    assert losses[0] == free["value"].iloc[0]
    assert losses[1] != free[free["metric"] == "loss"]["value"].iloc[1]


def test_feedback_is_applied_after_every_step() -> None:
    pixels, labels, test_pixels, test_labels = small_data()
    settings = dataclasses.replace(SMALL, feedback="only_real", iterations=2)
    result = train_perceptron(settings, pixels, labels, test_pixels, test_labels, n_classes=4)
    first, second = map(native, Perceptron((10, 7, 4), complex_valued=True, seed=2, scale=0.3).weights)
    inputs = native(encode_pixels(pixels.flatten(1).T, complex_valued=True))
    for _ in range(2):
        _, d_first, d_second = loss_and_gradients(first, second, inputs, labels.numpy())
        first, second = (first - 0.1 * d_first).real + 0j, (second - 0.1 * d_second).real + 0j
    np.testing.assert_allclose(native(result.network.weights[0]), first, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(native(result.network.weights[1]), second, rtol=1e-11, atol=1e-14)


def test_feedback_that_would_undo_itself_is_refused() -> None:
    settings = dataclasses.replace(SMALL, feedback="only_imaginary")
    with pytest.raises(PhasebenchError, match="'only_imaginary' changes its own result; use 'imaginary_axis'"):
        train_perceptron(settings, *small_data(), n_classes=4)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    settings = dataclasses.replace(SMALL, learning_rate=1e160)
    with pytest.raises(DivergedError, match=r"step \d: .* learning rate 1e\+160 with seed 2") as refused:
        train_perceptron(settings, *small_data(), n_classes=4)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(
    "PHASEBENCH_MNIST" not in os.environ, reason="PHASEBENCH_MNIST names no folder that holds MNIST/raw of torchvision"
)
@pytest.mark.parametrize(
    ("figure", "stored"),
    [
        ("figure_1_left", {10: 2.302589, 100: 2.302500, 200: 2.302053, 300: 2.254810}),
        ("figure_1_right", {10: 2.301362, 50: 2.288691, 100: 1.526980}),
    ],
)
def test_the_authors_losses_are_replayed(figure: str, stored: dict[int, float]) -> None:
    data = []
    for train in (True, False):
        part = datasets.MNIST(os.environ["PHASEBENCH_MNIST"], train=train)
        data += [part.data[:N_TRAIN].double() / 255, part.targets[:N_TRAIN]]
    settings = dataclasses.replace(FIGURES[figure], iterations=max(stored), snapshot_every=max(stored))
    table = train_perceptron(settings, *data).table
    losses = table[table["metric"] == "loss"].set_index("step")["value"]
    # Printed with six decimals; the path is chaotic later on.
    assert {step: round(losses[step], 6) for step in stored} == pytest.approx(stored, abs=1.5e-6)
