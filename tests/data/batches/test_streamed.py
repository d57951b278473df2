"""Images from shards: what each step sees, whoever decodes it."""

import itertools
import multiprocessing
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_shards import generate_shards
from torch import Tensor, nn
from torchvision.transforms import v2

from phasebench.common.errors import PhasebenchError
from phasebench.common.processes import Processes
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches import streamed
from phasebench.data.batches.interface import load_training_data
from phasebench.data.batches.streamed import StreamedData
from phasebench.data.shards.index import OpenShard
from phasebench.data.shards.jpeg import decode
from phasebench.specs.run import Recipe, RunSpec
from phasebench.training.checkpoint import TrainingState, save_checkpoint
from phasebench.training.loop import fit
from phasebench.training.optimizers import build_optimizer
from phasebench.training.session import Session

CPU = torch.device("cpu")
RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=16,
    steps=20,
    validate_every=20,
    augmentation="resized_crop",
    image_size=28,
)
SPEC = RunSpec(
    scale="demo",
    suite="study",
    experiment="table",
    dataset="jpegs",
    encoding="rgb",
    model="cifarnet_real",
    recipe=RECIPE,
    seed=5,
    validation_fraction=0.1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images in twenty shards, more than fit in one window of the shuffling."""
    folder = tmp_path_factory.mktemp("jpegs")
    generate_shards(folder)
    return folder


def load(folder: Path, workers: int = 0, spec: RunSpec = SPEC) -> StreamedData:
    data = load_training_data(spec, folder / "data.h5", CPU, workers=workers)
    assert isinstance(data, StreamedData)
    return data


def steps_of(
    data: StreamedData, steps: range, recipe: Recipe = RECIPE, **which: Processes
) -> list[tuple[Tensor, Tensor]]:
    return list(data.training_batches(recipe, 5, steps, **which))


def assert_equal(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_pass_sees_every_training_image_once(folder: Path) -> None:
    data = load(folder)
    # 53 of the 59 whole images train: four batches.
    assert (len(data.train), len(data.validation), len(data.test)) == (53, 6, 20)
    plain = RECIPE.model_copy(update={"augmentation": "none"})
    expected = torch.cat(list(data.batches(data.train.sort().values, 10)))
    orders = []
    for epoch in range(2):
        batches = steps_of(data, range(4 * epoch, 4 * epoch + 4), plain)
        assert [len(labels) for _, labels in batches] == [16, 16, 16, 5]
        planes, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        matches = (planes.flatten(1)[:, None] == expected.flatten(1)[None]).all(-1)
        assert matches.sum(0).tolist() == matches.sum(1).tolist() == [1] * 53
        order = matches.int().argmax(1)
        assert torch.equal(labels, data.labels[data.train.sort().values][order])
        orders.append(order)
    assert not torch.equal(*orders)
    assert (orders[0].sort().values == torch.arange(53)).all()
    assert (orders[0].diff() < 0).sum() > 15


def test_the_first_images_train_where_the_spec_says_so(folder: Path) -> None:
    data = load(folder, spec=SPEC.model_copy(update={"subset": "first", "train_fraction": 0.5}))
    pool = torch.from_numpy(data.index.splits["train"])
    # 29 of the 59 whole images are used: 26 train, 3 validate.
    assert torch.equal(data.train, pool[:26])
    assert torch.equal(data.validation, pool[26:29])


def test_neither_workers_nor_a_resumption_change_what_a_step_sees(folder: Path) -> None:
    expected = steps_of(load(folder), range(10))
    assert_equal(steps_of(load(folder, workers=2), range(10)), expected)
    assert_equal(steps_of(load(folder, workers=1), range(6, 10)), expected[6:])
    other = list(load(folder).training_batches(RECIPE, 6, range(1)))
    assert not torch.equal(other[0][0], expected[0][0])


def mapped_shards(folder: Path) -> int:
    """How many of the folder's shards this process has open."""
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(link.is_relative_to(folder / "data/shards") for link in links)


def test_a_pass_maps_a_few_shards_at_a_time(tmp_path: Path) -> None:
    generate_shards(tmp_path, shards=60)
    data = load(tmp_path)
    batches = data.training_batches(RECIPE, 5, range(8))
    counts = [mapped_shards(tmp_path) for _ in batches]
    # Some of the sixty are empty.
    assert len(set(np.searchsorted(data.index.starts, data.train.numpy(), side="right"))) > 32
    assert 16 <= max(counts) <= 32


def test_shares_are_the_batch(folder: Path) -> None:
    data = load(folder)
    whole = steps_of(data, range(5))
    shares = [steps_of(data, range(5), processes=Processes(rank, 3)) for rank in range(3)]
    for step, (planes, labels) in enumerate(whole):
        for position in range(len(labels)):
            share, row = shares[position % 3][step], position // 3
            assert torch.equal(share[0][row], planes[position])
            assert share[1][row] == labels[position]


def test_torchs_own_random_numbers_are_left_alone(folder: Path) -> None:
    data = load(folder)
    before = torch.get_rng_state()
    steps_of(data, range(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_test_images_are_resized_and_cut_to_their_centre(folder: Path) -> None:
    data = load(folder)
    found = torch.cat(list(data.batches(data.test, 7)))
    assert found.shape == (20, 2, 3, 28, 28)
    paths = {path.read_bytes(): path for path in (folder / "raw/val").rglob("*.JPEG")}
    shards = itertools.chain.from_iterable(
        [bytes(shard[i]) for i in range(len(shard))] for shard in map(OpenShard, data.index.paths[-2:])
    )
    for planes, content in zip(found, shards, strict=True):
        # 28 * 256 / 224 = 32; two pixels go on every side.
        resized = Image.open(paths[content]).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        expected = torch.from_numpy(np.asarray(resized)[2:30, 2:30].copy()).permute(2, 0, 1)
        assert (planes[0] * 255 * data.statistics - expected).abs().max() < 4
        assert not planes[1].any()


def test_training_images_are_random_parts_mirrored_or_not(folder: Path) -> None:
    """Each is what torchvision's transform makes of the decoded image under one of the seeds of its step."""
    data = load(folder)
    (planes, _), *_ = steps_of(data, range(1))
    transform = v2.Compose([v2.RandomResizedCrop(28, antialias=True), v2.RandomHorizontalFlip()])
    seeds = torch.randint(2**62, (16,), generator=generator(5, Stream.AUGMENTATION, 0))
    images = [shard[i] for shard in map(OpenShard, data.index.paths) for i in range(len(shard))]
    for found, seed in zip(planes, seeds.tolist(), strict=True):
        candidates = []
        for image in images:
            torch.manual_seed(seed)
            candidates.append(transform(decode(image)) / (255.0 * data.statistics))
        assert sum(torch.equal(found[0], candidate) for candidate in candidates) == 1


def test_the_reader_says_how_fast_it_was(folder: Path) -> None:
    data = load(folder, workers=2)
    assert data.reader_record({})["decoded_images_per_second"] is None
    steps_of(data, range(4))
    record = data.reader_record(data.reader_totals())
    assert data.times.images == 53
    assert record["workers"] == 2
    assert record["decoded_images_per_second"] == pytest.approx(2 * 53 / data.times.decode_seconds)
    assert record["wait_seconds"] > 0.0
    # As much again by a second process.
    both = data.reader_record({name: 2 * total for name, total in data.reader_totals().items()}, Processes(0, 2))
    assert both["decoded_images_per_second"] == pytest.approx(2 * record["decoded_images_per_second"])
    assert both["wait_seconds"] == pytest.approx(record["wait_seconds"])


def test_what_the_reader_did_adds_up_across_resumptions_and_processes(folder: Path, tmp_path: Path) -> None:
    data = load(folder)
    before = TrainingState(reader={"images": 1000.0, "decode_seconds": 50.0, "wait_seconds": 70.0})
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(len(data.classes)))
    model(next(data.batches(data.test, 2)))
    recipe = RECIPE.model_copy(update={"steps": 4, "validate_every": 4})
    before.model, before.optimizer = model.state_dict(), build_optimizer(model, recipe).state_dict()
    save_checkpoint(tmp_path / "run.pt", "digest", before)
    state = fit(model, data, recipe, 5, Session(tmp_path / "run.pt", "digest"))
    assert state.reader["images"] == 1053
    assert state.reader["decode_seconds"] == pytest.approx(50 + data.times.decode_seconds)
    assert state.reader["wait_seconds"] >= 70


def test_what_the_encoding_divides_by_is_measured_on_training_images(folder: Path) -> None:
    data = load(folder)
    largest = torch.cat(list(data.batches(data.train, 64))).max() * data.statistics
    # All 53 images are fewer than would be measured.
    assert data.statistics == largest


def test_augmentations_for_other_data_are_refused(folder: Path) -> None:
    data = load(folder)
    with pytest.raises(PhasebenchError, match=r"recipe\.augmentation: 'crop_flip' is not for images in shards"):
        steps_of(data, range(1), RECIPE.model_copy(update={"augmentation": "crop_flip"}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
def test_workers_outlive_a_signal_for_longer_than_a_scheduler_waits(number: signal.Signals) -> None:
    numbers = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
    before = {each: signal.getsignal(each) for each in numbers}
    try:
        streamed._outlive_signals(0)
        signal.raise_signal(number)
        assert signal.alarm(0) >= 600
    finally:
        signal.alarm(0)
        for each, handler in before.items():
            signal.signal(each, handler)


def test_damage_is_found_before_anything_is_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    shard = sorted((tmp_path / "copy/data/shards").glob("*.h5"))[3]
    shard.unlink()
    with pytest.raises(PhasebenchError, match=rf"{shard.name}: the shard is missing"):
        load(tmp_path / "copy")


def test_workers_of_validation_stay_from_one_pass_to_the_next(folder: Path) -> None:
    data = load(folder, workers=2)
    expected = [list(data.batches(part, 7)) for part in (data.test, data.validation, data.test)]
    before = {process.pid for process in multiprocessing.active_children()}

    def workers() -> set[int | None]:
        return {process.pid for process in multiprocessing.active_children()} - before

    with data.keeping_workers():
        found, seen = [], set()
        for part in (data.test, data.validation):
            found.append(list(data.batches(part, 7)))
            seen |= workers()
        # A pass that is left early disturbs no later one.
        next(iter(data.batches(data.validation, 2)))
        found.append(list(data.batches(data.test, 7)))
        assert seen | workers() == workers()
        assert len(workers()) == 2
    assert not workers()
    for batches, others in zip(found, expected, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(batches, others, strict=True))


def test_a_shards_content_is_compared_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.checked"))
    measured: list[OpenShard] = []
    measure = OpenShard.measured_sha256

    def count(shard: OpenShard) -> str:
        measured.append(shard)
        return measure(shard)

    monkeypatch.setattr(OpenShard, "measured_sha256", count)
    load(tmp_path / "copy")
    assert len(measured) == len(list((tmp_path / "copy/data/shards").glob("*.h5")))
    load(tmp_path / "copy")
    assert len(measured) == len(list((tmp_path / "copy/data/shards").glob("*.h5")))
    # A byte of an image in place, so that only time and content tell.
    shard = sorted((tmp_path / "copy/data/shards").glob("*.h5"))[3]
    content = bytearray(shard.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(PhasebenchError, match=rf"{shard.name}: the shard's content has another checksum"):
        load(tmp_path / "copy")
