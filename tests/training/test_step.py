"""Training steps: none waits for the device between looks, and repeated ones train as eager ones do."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support.squares import RECIPE, make_spec, write_squares
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.models.registry import build_model
from phasebench.specs.run import Recipe
from phasebench.training import cuda_graph, loop
from phasebench.training.checkpoint import TrainingState
from phasebench.training.cuda_graph import WARM_UP, GraphedStep, capture_on_card
from phasebench.training.loop import fit
from phasebench.training.optimizers import build_optimizer, set_learning_rate
from phasebench.training.session import Session
from phasebench.training.step import TrainingStep
from phasebench.training.tally import Tally

# Operations for whose result the host has to wait where tensors are on a card.
WAITING = ("_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "unique")
NEVER = {"cpu": 10**9}


class Waits(TorchDispatchMode):
    """Count of the operations that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITING or name.startswith("_unique") or _selects(name, args):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def _selects(name: str, arguments: Any) -> bool:
    """An index with a mask, whose result has as many elements as the mask has ones."""
    return name.startswith("index") and any(
        isinstance(index, Tensor) and index.dtype == torch.bool
        for index in (arguments[1] if isinstance(arguments[1], list) else [])
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data"))


def data_for(recipe: Recipe, store: Path, model: str, device: str = "cpu") -> DeviceData:
    encoding = "rgb" if model.startswith(("resnet", "vgg")) else "lab"
    spec = make_spec(recipe, model=model).model_copy(update={"encoding": encoding})
    return load_device_data(spec, store, torch.device(device))


def network(name: str, data: DeviceData) -> nn.Module:
    torch.manual_seed(0)
    channels = data.encoding.n_channels
    planes = (0, 1, 2) if channels == 3 else (0, 1, 3)
    return build_model(name, n_classes=2, in_channels=channels, planes=planes).to(data.device)


def trained(recipe: Recipe, data: DeviceData, checkpoint: Path, name: str = "cifarnet_type_i") -> TrainingState:
    model = network(name, data)
    return fit(model, data, recipe, 0, Session(checkpoint, "digest"))


def assert_same(state: TrainingState, expected: TrainingState) -> None:
    for name, value in expected.best_model.items():
        assert torch.equal(state.best_model[name], value), name
    losses = [[row["train_loss"] for row in each.history] for each in (state, expected)]
    assert losses[0] == losses[1]


def test_the_counter_sees_what_waits() -> None:
    with Waits() as waits:
        number = torch.ones(3)
        number.sum().item()
        bool(number[0] > 0)
        number[number > 0.5]
    assert waits.counts["_local_scalar_dense"] == 2
    assert waits.counts["index"] == 1


@pytest.mark.parametrize(
    "name",
    [
        "cifarnet_real",
        "cifarnet_type_i",
        "cifarnet_type_e",
        "cifarnet_dcn",
        "cifarnet_surreal",
        "cds_large",
        "resnet18_sbn34",
        "vgg16",
    ],
)
def test_steps_between_looks_wait_for_nothing(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STEPS_BETWEEN_LOOKS", NEVER)
    counts = []
    for steps in (1, 3):
        recipe = RECIPE.model_copy(
            update={"batch_size": 2, "steps": steps, "validate_every": steps, "clip_norm": 1.0, "optimizer": "adamw"}
        )
        data = data_for(recipe, store, name)
        with Waits() as waits:
            trained(recipe, data, tmp_path / "c.pt", name)
        counts.append(waits.counts)
    assert counts[0]["_local_scalar_dense"] > 0
    assert counts[0] == counts[1]


def test_every_look_waits_once(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {}
    for every in (1, 2, 4):
        monkeypatch.setattr(loop, "STEPS_BETWEEN_LOOKS", {"cpu": every})
        recipe = RECIPE.model_copy(update={"steps": 4, "validate_every": 4})
        data = data_for(recipe, store, "cifarnet_type_i")
        with Waits() as waits:
            trained(recipe, data, tmp_path / "c.pt")
        counts[every] = waits.counts.total()
    # The validation after the fourth step looks in any case.
    assert (counts[1] - counts[4], counts[2] - counts[4]) == (3, 1)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_repeated_steps_train_as_eager_ones(
    optimizer: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.model_copy(
        update={"optimizer": optimizer, "momentum": 0.9, "steps": 14, "validate_every": 4, "clip_norm": 1.0}
    )
    data = data_for(recipe, store, "cifarnet_type_i")
    expected = trained(recipe, data, tmp_path / "c.pt")

    repeats = Counter[str]()

    def capture(compute: cuda_graph.Computation) -> cuda_graph.Computation:
        repeats["captured"] += 1

        def replay() -> None:
            repeats["replayed"] += 1
            compute()

        return replay

    monkeypatch.setattr(loop, "replays", lambda recipe, device: True)
    monkeypatch.setattr(cuda_graph, "capture_on_card", capture)
    assert_same(trained(recipe, data, tmp_path / "c.pt"), expected)
    # 90 samples are five batches of 16 and one of 10; two of these are among 14 steps.
    assert repeats == {"captured": 1, "replayed": 14 - 2 - WARM_UP}


def test_a_recording_reads_the_batches_that_come_after_it() -> None:
    seen: list[list[float]] = []

    def step(planes: Tensor, labels: Tensor, n_batch: int) -> None:
        seen.append([*planes.flatten().tolist(), *labels.tolist(), n_batch])

    graphed = GraphedStep(step, 2, capture=lambda compute: compute)
    sizes = [2, 1, 2, 2, 2, 2, 1, 2]
    batches = [(torch.full((size, 1), float(number)), torch.full((size,), number)) for number, size in enumerate(sizes)]
    for planes, labels in batches:
        graphed(planes, labels, len(labels))
    assert seen == [[*planes.flatten().tolist(), *labels.tolist(), len(labels)] for planes, labels in batches]


def test_one_process_alone_records() -> None:
    with pytest.raises(ValueError, match="'cuda_graph' is for one process"):
        Recipe(**{**RECIPE.model_dump(), "cuda_graph": True, "processes": 2})


def graphed_recipe(**changes: object) -> Recipe:
    return RECIPE.model_copy(update={"cuda_graph": True, "steps": 14, "validate_every": 7, **changes})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("name", ["cifarnet_real", "cifarnet_type_i", "cifarnet_type_e", "vgg16"])
def test_graphs_train_as_eager_steps_on_a_card(name: str, optimizer: str, store: Path, tmp_path: Path) -> None:
    recipe = graphed_recipe(optimizer=optimizer, momentum=0.9 if optimizer == "sgd" else 0.0, clip_norm=1.0)
    data = data_for(recipe, store, name, "cuda")
    graphed = trained(recipe, data, tmp_path / "c.pt", name)
    eager = trained(recipe.model_copy(update={"cuda_graph": False}), data, tmp_path / "c.pt", name)
    # Kernels may add in another order.
    for row, expected in zip(graphed.history, eager.history, strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_graph_follows_the_learning_rate(optimizer: str, store: Path, tmp_path: Path) -> None:
    recipe = graphed_recipe(optimizer=optimizer, weight_decay=0.0)
    data = data_for(recipe, store, "cifarnet_real", "cuda")
    model = network("cifarnet_real", data)
    rates = build_optimizer(model, recipe)
    step = TrainingStep(model, model, rates, recipe, Tally(Session(tmp_path / "c.pt", "digest"), data))
    graphed = GraphedStep(step, recipe.batch_size)

    def weights() -> Tensor:
        return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])

    for rate, moves in ((1e-3, True), (1e-3, True), (1e-3, True), (1e-3, True), (0.0, False), (1e-3, True)):
        before = weights()
        set_learning_rate(rates, rate)
        for planes, labels in data.training_batches(recipe, 0, range(1)):
            graphed(planes, labels, len(labels))
        assert torch.equal(weights(), before) is not moves


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_that_waits_for_the_card_is_refused() -> None:
    value = torch.ones(1, device="cuda")

    def compute() -> None:
        value.item()

    with pytest.raises(PhasebenchError, match=r"recipe\.cuda_graph: the step of this network cannot be recorded"):
        capture_on_card(compute)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("graphed", [True, False])
def test_a_checkpoint_of_a_cpu_goes_on_on_a_card(graphed: bool, store: Path) -> None:
    recipe = graphed_recipe(cuda_graph=graphed)
    model = network("cifarnet_real", data_for(recipe, store, "cifarnet_real"))
    optimizer = build_optimizer(model, recipe)
    model(torch.zeros(2, 2, 2, 32, 32)).sum().backward()
    optimizer.step()
    on_card = network("cifarnet_real", data_for(recipe, store, "cifarnet_real", "cuda"))
    resumed = build_optimizer(on_card, recipe)
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.param_groups[0]["capturable"] is graphed
    assert isinstance(resumed.param_groups[0]["lr"], Tensor) is graphed
    on_card(torch.zeros(2, 2, 2, 32, 32, device="cuda")).sum().backward()
    resumed.step()
    assert all(parameter.isfinite().all() for parameter in on_card.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_steps_on_a_card_wait_for_nothing(store: Path) -> None:
    recipe = RECIPE
    data = data_for(recipe, store, "cifarnet_type_i", "cuda")
    model = network("cifarnet_type_i", data)
    optimizer = build_optimizer(model, recipe)
    batches = data.training_batches(recipe, 0, range(5))
    for number, (planes, labels) in enumerate(batches):
        # The first batch begins an epoch, whose order is moved to the card.
        torch.cuda.set_sync_debug_mode("error" if number else "default")
        nn.functional.cross_entropy(model(planes), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    torch.cuda.set_sync_debug_mode("default")
