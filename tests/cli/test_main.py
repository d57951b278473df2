"""The command line: what a person sees of it, above all when the input is bad."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from unittest import mock

import h5py
import numpy as np
import pandas as pd
import pytest

from phasebench.cli.main import main
from phasebench.common.files import sha256_of_file
from phasebench.data.sources.radar.phoenix import write_chip
from phasebench.provenance.stage_code import baselines_code, dataset_code, own_source
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.specs.stage import DatasetIdentity, StageIdentity


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Result:
    """What the console script does, in this process: starting an interpreter with torch takes seconds."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = 0
    with (
        mock.patch.object(sys, "argv", ["phasebench", *map(str, arguments)]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return Result(status, stdout.getvalue(), stderr.getvalue())


def assert_one_line_error(result: Result, *parts: str) -> None:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.returncode == 1, result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("phasebench: error: ")
    for part in parts:
        assert part in lines[0]


def prepare(
    tmp_path: Path, source: str, options: dict[str, object], code: Mapping[str, str] = MappingProxyType({})
) -> Result:
    identity = DatasetIdentity(dataset="data", source=source, options=options, code=dict(code), environment={})
    spec = tmp_path / "spec.json"
    spec.write_text(identity.to_json())
    output = tmp_path / "prepared"
    result = run(
        "prepare", "--spec", spec, "--data-root", tmp_path, "--output", output / "d.h5", "--manifest", output / "d.json"
    )
    if result.returncode:
        assert not output.exists() or not list(output.iterdir()), "something half-written is left"
    return result


def test_models_are_listed_with_their_measured_parameters() -> None:
    result = run("models", "--json")
    assert result.returncode == 0, result.stderr
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    spectral = {name: row for name, row in rows.items() if row["study"] == "spectral_batch_norm"}
    assert {name: row["parameters"] for name, row in rows.items() if name not in spectral} == {
        "cds_large": 1_747_520,
        "lenet_real": 170_810,
        "lenet_complex": 341_630,
        "lenet_real_wide": 569_670,
        "lenet_complex_wide": 1_139_372,
        "lenet_real_audio": 606_400,
        "lenet_complex_audio": 1_212_810,
        "graph_unweighted": 1_228_812,
        "graph_phase": 1_228_812,
        "graph_phase_batch_mean": 1_228_812,
        "graph_phase_shuffled": 1_228_812,
        "graph_magnitude": 1_228_812,
        "graph_hermitian": 1_244_814,
        "perceptron_100": 159_000,
        "perceptron_real_512_100": 454_120,
        "perceptron_512": 814_080,
        "perceptron_20": 31_800,
        "perceptron_512_100": 908_240,
        "perceptron_50_20": 80_900,
        "perceptron_100_phase": 159_000,
        "perceptron_100_amplitude": 159_000,
        "perceptron_100_real": 159_000,
        "perceptron_100_imaginary": 159_000,
        "dcn_wide_shallow": 1_680_046,
        "cifarnet_type_i": 24_241,
        "cifarnet_type_e": 23_697,
        "cifarnet_dcn": 66_858,
        "cifarnet_surreal": 35_274,
        "cifarnet_real": 34_282,
        "mstar_cds": 29_505,
        "mstar_cds_text": 29_050,
        "mstar_dcn": 863_587,
        "mstar_surreal": 65_905,
        "mstar_real": 32_625,
    }
    assert rows["mstar_cds"]["input_shape"] == [1, 128, 128]
    assert {row["study"] for row in rows.values() if row["name"] not in spectral} == {
        "co_domain_symmetry",
        "complex_cnn_analysis",
        "phase_matters",
    }
    assert (spectral["resnet18"]["parameters"], spectral["resnet18"]["published_parameters"]) == (11_173_962, None)


def test_the_module_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "phasebench", "report", "--spec", tmp_path / "no.json"]
    command += ["--tables", tmp_path, "--output", tmp_path, "--logs", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert_one_line_error(Result(result.returncode, result.stdout, result.stderr), "no.json")


def chip_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mstar" / "TARGETS"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index, depression in enumerate((17.0, 15.0)):
        samples = (rng.normal(size=(128, 128)) + 1j * rng.normal(size=(128, 128))).astype(np.complex64)
        write_chip(
            folder / f"HB0000{index}.015",
            samples,
            target_class="t72_tank",
            serial="132",
            depression_angle=depression,
            azimuth=10.0,
        )
    return folder


def test_a_truncated_chip_is_named(tmp_path: Path) -> None:
    chip = chip_folder(tmp_path) / "HB00001.015"
    chip.write_bytes(chip.read_bytes()[:-1000])
    assert_one_line_error(prepare(tmp_path, "mstar", {}), "HB00001.015")


def test_a_chip_with_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    chip = chip_folder(tmp_path) / "HB00000.015"
    content = bytearray(chip.read_bytes())
    content[-1] ^= 1
    chip.write_bytes(content)
    assert_one_line_error(prepare(tmp_path, "mstar", {}), "HB00000.015", "Chip_MD5_CheckSum")


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    assert_one_line_error(prepare(tmp_path, "mstar", {}), str(tmp_path / "mstar"))
    assert_one_line_error(prepare(tmp_path, "cifar10", {}), str(tmp_path), "download")
    assert_one_line_error(prepare(tmp_path, "hdf5", {"path": "nowhere.h5"}), "nowhere.h5")


def test_data_are_prepared_by_the_code_that_was_planned(tmp_path: Path) -> None:
    code = dataset_code(own_source(), "digits")
    assert prepare(tmp_path, "digits", {}, code).returncode == 0
    (tmp_path / "prepared" / "d.h5").unlink()
    (tmp_path / "prepared" / "d.json").unlink()
    refused = prepare(tmp_path, "digits", {}, {**code, "phasebench.data.sources.images.digits": "of other code"})
    assert_one_line_error(
        refused, "spec.json", "has changed", "(phasebench.data.sources.images.digits)", "run snakemake again"
    )


def test_raw_files_that_the_spec_could_not_name_are_recorded(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for split in ("train", "test"):
            file[f"{split}/images"] = np.full((2, 4, 4, 3), 7, np.uint8)
            file[f"{split}/labels"] = [0, 1]
    result = prepare(tmp_path, "hdf5", {"path": "own.h5"})
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "prepared/d.raw.json").read_text())
    assert (record["raw"], record["found"]) == ({}, {"own.h5": sha256_of_file(tmp_path / "own.h5")})


def test_an_hdf5_file_cut_in_half_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.h5"
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for split, count in (("train", 40), ("test", 20)):
            file[f"{split}/images"] = np.full((count, 32, 32, 3), 7, np.uint8)
            file[f"{split}/labels"] = np.arange(count) % 2
    assert prepare(tmp_path, "hdf5", {"path": str(path)}).returncode == 0
    for result in (tmp_path / "prepared").iterdir():
        result.unlink()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_one_line_error(prepare(tmp_path, "hdf5", {"path": str(path)}), "images.h5")


def test_a_prepared_file_cut_in_half_stops_training(tmp_path: Path) -> None:
    assert prepare(tmp_path, "digits", {}).returncode == 0
    data = tmp_path / "prepared" / "d.h5"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=1, validate_every=1)
    spec = RunSpec(
        scale="demo",
        suite="s",
        experiment="e",
        dataset="digits",
        encoding="rgb",
        model="cifarnet_real",
        recipe=recipe,
        seed=0,
    )
    (tmp_path / "run.spec").write_text(RunIdentity(run=spec, code={}, environment={}).to_json())
    folder, checkpoint = tmp_path / "run", tmp_path / "c.pt"
    result = run(
        "train", "--spec", tmp_path / "run.spec", "--data", data, "--output", folder, "--checkpoint", checkpoint
    )
    assert_one_line_error(result, "d.h5")
    assert not folder.exists()
    assert not checkpoint.exists()


def baselines(tmp_path: Path, code: Mapping[str, str] = MappingProxyType({})) -> Result:
    """Measure the baselines on scikit-learn's digits; ``code`` is what differs from the code that is running."""
    read = {"dataset": "d", "encoding": "rgb", "test_encoding": None, "train_fraction": 1.0, "validation_fraction": 0.1}
    cells = [{"experiment": "e", "stands_in_for": None, "variant": None}]
    inputs = [{**read, "subset": "random", "seed": 0, "cells": cells}]
    planned = {**baselines_code(own_source(), inputs), **code}
    spec = tmp_path / "baselines.json"
    identity = StageIdentity(stage="baselines", settings={"inputs": inputs}, code=planned, environment={})
    spec.write_text(identity.to_json())
    return run("baselines", "--spec", spec, "--prepared", tmp_path / "prepared", "--output", tmp_path / "c.parquet")


def test_baselines_are_measured_on_what_was_planned(tmp_path: Path) -> None:
    assert_one_line_error(baselines(tmp_path), "prepared/d.json", "cannot be read")
    assert prepare(tmp_path, "digits", {}).returncode == 0
    refused = baselines(tmp_path, {"phasebench.evaluation.baselines": "of other code"})
    assert_one_line_error(refused, "baselines.json", "has changed", "(phasebench.evaluation.baselines)")
    assert not (tmp_path / "c.parquet").exists()
    assert baselines(tmp_path).returncode == 0
    table = pd.read_parquet(tmp_path / "c.parquet").set_index("metric")["value"]
    assert table["majority_accuracy"] < 0.2 < 0.85 < table["linear_accuracy"]


def test_a_damaged_spec_file_is_named(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"run": ')
    arguments = ("--data", tmp_path / "d.h5", "--output", tmp_path / "r", "--checkpoint", tmp_path / "c.pt")
    assert_one_line_error(run("train", "--spec", spec, *arguments), "spec.json")
    assert_one_line_error(run("train", "--spec", tmp_path / "none.json", *arguments), "none.json")


@pytest.mark.parametrize(
    "command", ["prepare", "train", "evaluate", "baselines", "aggregate", "report", "models", "schemas"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0
    assert "--" in result.stdout
