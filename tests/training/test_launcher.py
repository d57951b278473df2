"""Several processes that train one run, on this machine's processor through gloo."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from support.tiny_shards import generate_shards

from phasebench.common.errors import PhasebenchError
from phasebench.common.heartbeat import Watchdog
from phasebench.common.processes import Processes
from phasebench.data.store import write_store
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.training import launcher
from phasebench.training.launcher import launch_run

# 90 training samples: an epoch's last batch has ten, five for each of two processes.
RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.001,
    batch_size=16,
    steps=30,
    validate_every=10,
    augmentation="crop_flip",
    track_test=True,
    clip_norm=3.0,
)


def identity_of(recipe: Recipe = RECIPE, **changes: object) -> RunIdentity:
    spec = RunSpec(
        scale="demo",
        suite="study",
        experiment="table",
        dataset="squares",
        encoding="rgb",
        model="cifarnet_real",
        recipe=recipe.model_copy(update=changes),
        seed=3,
    )
    return RunIdentity(run=spec, code={}, environment={"torch": "2"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 32x32 images: bright upper half, bright lower half; a mirror changes neither."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 141)
    samples = rng.integers(0, 60, (141, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(samples, labels, strict=True):
        image[16 * label : 16 * label + 16] += 120
    path = tmp_path_factory.mktemp("data") / "squares.h5"
    write_store(
        path,
        path.with_suffix(".json"),
        samples=samples,
        labels=labels.astype(np.int64),
        splits={"train": np.arange(100), "test": np.arange(100, 141)},
        classes=["upper", "lower"],
        source={"source": "generated"},
    )
    return path


class Run:
    """A run in a folder, trained by the command line."""

    def __init__(self, folder: Path, store: Path, identity: RunIdentity) -> None:
        folder.mkdir()
        self.output, self.checkpoint = folder / "run", folder / "run.pt"
        (folder / "spec.json").write_text(identity.to_json())
        self._command = [sys.executable, "-m", "phasebench", "train", "--device", "cpu", "--checkpoint-seconds", "0"]
        paths = {"spec": folder / "spec.json", "data": store, "output": self.output, "checkpoint": self.checkpoint}
        self._command += [text for name, path in paths.items() for text in (f"--{name}", str(path))]

    def train(self, send: int | None = None, threads: int = 1, everybody: bool = False) -> tuple[int, str]:
        """Train; send a signal once there is a checkpoint. Return the status and what was said of errors."""
        # Without the last, torch would not take more threads than this machine has cores.
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_DYNAMIC": "false"}
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while send is not None and not self.checkpoint.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if send is not None and everybody:
            os.killpg(process.pid, send)
        elif send is not None:
            process.send_signal(send)
        said = process.communicate()[1]
        print(said)  # pytest shows it if the test fails
        return process.returncode, said

    def record(self) -> dict[str, object]:
        return dict(json.loads((self.output / "run.json").read_text()))

    def tables(self) -> list[pd.DataFrame]:
        files = [pd.read_parquet(self.output / f"{name}.parquet") for name in ("history", "predictions")]
        return [table.drop(columns="images_per_second", errors="ignore") for table in files]


@pytest.fixture(scope="module")
def pair(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("pair") / "run", store, identity_of(processes=2))
    assert run.train()[0] == 0
    return run


def assert_same(first: Run, second: Run, **tolerance: float) -> None:
    weights, others = (load_file(run.output / "weights.safetensors") for run in (first, second))
    assert weights.keys() == others.keys()
    for name in weights:
        torch.testing.assert_close(weights[name], others[name], **(tolerance or {"rtol": 0.0, "atol": 0.0}))
    for one, other in zip(first.tables(), second.tables(), strict=True):
        pd.testing.assert_frame_equal(one, other, **(tolerance or {"check_exact": True}))


def test_two_processes_train_what_one_does(store: Path, pair: Run, tmp_path: Path) -> None:
    """The network has no normalisation over the batch; equal but for the order in which gradients are added up."""
    alone = Run(tmp_path / "alone", store, identity_of())
    assert alone.train()[0] == 0
    assert_same(pair, alone, rtol=1e-4, atol=1e-5)
    assert (alone.record()["processes"], pair.record()["processes"]) == (1, 2)
    history = pd.read_parquet(pair.output / "history.parquet")
    record = pair.record()
    assert record["highest_test_accuracy"] == history["test_accuracy"].max()
    assert record["highest_test_step"] == history["step"][history["test_accuracy"].idxmax()]
    # It has learned something, so that equality says something.
    assert history["train_loss"].iloc[-1] < 0.9 * history["train_loss"].iloc[0]


def test_a_signal_stops_both_and_the_run_goes_on_bit_identically(store: Path, pair: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "stopped", store, identity_of(processes=2))
    assert run.train(send=signal.SIGTERM)[0] == 75
    assert run.checkpoint.exists()
    assert not run.output.exists()
    assert run.train()[0] == 0
    assert run.record()["resumed"] == 1
    assert_same(run, pair)


def test_members_die_with_a_killed_parent_and_the_run_goes_on(store: Path, pair: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "killed", store, identity_of(processes=2))
    assert run.train(send=signal.SIGKILL)[0] == -signal.SIGKILL
    # What they write ends with them.
    deadline = time.monotonic() + 120
    while members_of(run):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert run.train()[0] == 0
    assert_same(run, pair)


def test_images_from_shards_with_workers_and_two_processes(tmp_path: Path) -> None:
    """A scheduler's signal reaches every process, those that decode as well."""
    index = generate_shards(tmp_path)
    identity = identity_of(processes=2, augmentation="resized_crop", image_size=32, batch_size=12, steps=6)
    undisturbed, stopped = (Run(tmp_path / name, index, identity) for name in ("undisturbed", "stopped"))
    assert undisturbed.train(threads=4)[0] == 0
    assert undisturbed.record()["workers"] == 1
    assert stopped.train(send=signal.SIGTERM, threads=4, everybody=True)[0] == 75
    assert stopped.train(threads=4)[0] == 0
    decoded, waited = (stopped.record()[name] for name in ("decoded_images_per_second", "wait_seconds"))
    assert isinstance(decoded, float)
    assert isinstance(waited, float)
    assert decoded > 0
    assert 0 < waited < float(str(stopped.record()["wall_seconds"]))
    assert (stopped.record()["workers"], stopped.record()["resumed"]) == (1, 1)
    assert_same(undisturbed, stopped)


def members_of(run: Run) -> list[int]:
    """Processes that have the run's folder in their environment or arguments, or its checkpoint open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(run.checkpoint.parent) in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_too_few_gpus_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(PhasebenchError, match=r"recipe\.processes: 4 processes need as many GPUs, .* shows 2"):
        launch_run(identity_of(processes=4), "auto")


def test_what_one_of_them_says_ends_the_run(store: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "diverging", store, identity_of(processes=2, learning_rate=1e30, clip_norm=None))
    status, said = run.train()
    assert status == 1
    errors = [line for line in said.splitlines() if line.startswith("phasebench: error: ")]
    assert len(errors) == 1
    assert "the training loss is not finite" in errors[0]
    assert "Traceback" not in said


@dataclass
class Planted:
    """Makes the processes that it is sent to train by :func:`fail_and_stay`."""

    error: type[Exception]

    def __reduce__(self) -> tuple[object, ...]:
        return plant, (self.error,)


def plant(error: type[Exception]) -> Planted:
    launcher.load_procedure = lambda _recipe: partial(fail_and_stay, error)
    return Planted(error)


def fail_and_stay(error: type[Exception], processes: Processes, **_arguments: object) -> None:
    """The second process fails but cannot end, as one whose device waits for the others; the first waits for it."""
    if processes.is_first:
        processes.any(False)
    threading.Thread(target=time.sleep, args=(500,)).start()
    raise error("there is no memory left")


@pytest.mark.parametrize(
    ("error", "message"),
    [(PhasebenchError, "there is no memory left"), (RuntimeError, "process 1 of 2 failed; see its traceback above")],
)
def test_an_error_ends_the_run_though_its_process_does_not_end(error: type[Exception], message: str) -> None:
    begin = time.monotonic()
    with pytest.raises(PhasebenchError, match=message):
        launch_run(identity_of(processes=2), "cpu", data_path=Planted(error))
    assert time.monotonic() - begin < 400


def hang(processes: Processes, **_arguments: object) -> None:
    """The first process waits for the second, which does not come."""
    if processes.is_first:
        processes.any(False)
    time.sleep(500)


class PlantedHang:
    """Makes the processes that it is sent to hang, and their watchdogs impatient."""

    def __reduce__(self) -> tuple[object, ...]:
        return plant_hang, ()


def plant_hang() -> PlantedHang:
    launcher.load_procedure = lambda _recipe: hang
    launcher._SILENCE_SECONDS = 1.0
    launcher.Watchdog = partial(Watchdog, interval=0.2)  # type: ignore[misc, assignment]
    return PlantedHang()


def test_processes_that_wait_in_vain_end_the_run_in_one_line() -> None:
    begin = time.monotonic()
    with pytest.raises(PhasebenchError, match="no process has got on for 0 minutes") as caught:
        launch_run(identity_of(processes=2), "cpu", data_path=PlantedHang())
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begin < 400


def test_the_watchdog_is_quiet_while_any_process_gets_on() -> None:
    said: list[str] = []
    total = itertools.count()
    watchdog = Watchdog(lambda _news: next(total), said.append, seconds=0.05, interval=0.01)
    watchdog.start()
    time.sleep(0.3)
    watchdog.stop()
    assert not said
    silent = Watchdog(lambda _news: 7, said.append, seconds=0.05, interval=0.01)
    silent.start()
    deadline = time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(said) == 1
    assert launcher._SILENCE_SECONDS == 600


def test_the_rendezvous_is_this_machines_own_and_keeps_a_secret() -> None:
    master, port = launcher._master_store()
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    ]
    assert listening == ["127.0.0.1"]
    place = launcher.Place(1, 1, 2, None, "127.0.0.1", port, "secret")
    member = place.store("group")
    assert member.add("beats", 3) == 3
    assert replace(place, secret="guess").store("group").add("beats", 0) == 0
    assert not master.check(["beats"])
    # A group that is given a store does not set its timeout, and checking a million images takes a while.
    assert master.timeout == member.timeout == timedelta(hours=6)
