"""Timed steps of planned runs."""

import pytest
from support.squares import RECIPE, make_spec

from phasebench.specs.run import FullBatchRecipe
from phasebench.training import step_cost
from phasebench.training.step_cost import time_step


def test_steps_of_a_minibatch_recipe() -> None:
    spec = make_spec(RECIPE.model_copy(update={"batch_size": 4}))
    cost = time_step(spec, n_samples=4, size=(32, 32), n_classes=2, device="cpu")
    assert cost.seconds > 0
    assert 1 <= cost.n_steps <= step_cost.MOST_STEPS
    assert (cost.device, cost.threads >= 1) == ("cpu", True)


def test_the_share_of_one_process_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    drawn = step_cost.torch.randn
    monkeypatch.setattr(step_cost.torch, "randn", lambda *shape, **keys: shapes.append(shape) or drawn(*shape, **keys))
    spec = make_spec(RECIPE.model_copy(update={"batch_size": 8, "processes": 4}))
    time_step(spec, n_samples=8, size=(32, 32), n_classes=None, device="cpu")
    assert (2, 2, 2, 32, 32) in shapes


def test_a_step_on_the_whole_training_set_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=3, snapshot_every=1)
    spec = make_spec(RECIPE, "perceptron_20").model_copy(update={"recipe": recipe, "encoding": "grey_unit"})
    monkeypatch.setattr(step_cost, "_timed", lambda step: (step(), [2.0, 4.0])[1])
    cost = time_step(spec, n_samples=10 * step_cost.MOST_SAMPLES, size=(8, 8), n_classes=10, device="cpu")
    assert (cost.seconds, cost.n_steps) == (30.0, 2)


def test_a_slow_step_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 5.0])
    monkeypatch.setattr(step_cost.time, "perf_counter", lambda: next(times))
    assert step_cost._timed(lambda: None) == [5.0]
