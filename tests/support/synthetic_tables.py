"""Aggregated tables as the report expects them, filled with numbers drawn from a seeded generator."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from support.shipped import SUITES, display_names_json, studies_json
from support.synthetic_studies import empty_tables, study_tables

SUITE = "co_domain_symmetry"
CIFARNET = ("cifarnet_type_i", "cifarnet_type_e", "cifarnet_real")
LABELS = {
    "cifarnet_type_i": ("CDS Type-I", 24_241),
    "cifarnet_type_e": ("CDS Type-E", 23_697),
    "cifarnet_real": ("Real CNN", 34_282),
    "mstar_cds": ("CDS", 29_536),
    "mstar_real": ("Real ResNet", 33_050),
}
FRACTIONS = (0.05, 0.1, 0.5, 0.9, 1.0)

# Per cent, rows as in the study; columns CIFAR-10, CIFAR-100, SVHN, each as RGB, LAB, Sliding.
TABLE_1 = {
    "cifarnet_dcn": (65.17, 58.64, 63.83, 32.52, 27.36, 28.87, 85.26, 84.43, 87.44),
    "cifarnet_surreal": (50.68, 53.02, 54.61, 23.57, 25.97, 26.66, 80.51, 53.48, 80.79),
    "cifarnet_real": (64.43, 63.00, 63.43, 31.93, 31.72, 31.93, 87.47, 84.93, 87.37),
    "cifarnet_type_i": (69.23, 67.17, 68.7, 36.92, 37.81, 38.51, 89.39, 88.86, 90.25),
    "cifarnet_type_e": (68.48, 67.58, 69.19, 41.83, 39.55, 42.08, 77.19, 74.21, 88.39),
}
# Columns: the fractions.
TABLE_2 = {
    "mstar_real": (47.4, 46.6, 60.6, 73, 66.9),
    "mstar_surreal": (61.1, 68.0, 90.3, 95.6, 94.9),
    "mstar_dcn": (49.8, 47.0, 81.9, 89.1, 89.1),
    "mstar_cds": (69.5, 78.3, 91.3, 95.2, 96.1),
}


def published_table() -> pd.DataFrame:
    """All numbers of the study's Tables 1 and 2, and one of a table that nothing was run for."""
    columns = [(dataset, code) for dataset in ("cifar10", "cifar100", "svhn") for code in ("rgb", "lab", "sliding")]
    rows: list[dict[str, Any]] = [
        _published("table_1", dataset, encoding, 1.0, model, value, "Table 1")
        for model, values in TABLE_1.items()
        for (dataset, encoding), value in zip(columns, values, strict=True)
    ]
    rows += [
        _published("table_2", "mstar", "complex", fraction, model, value, "Table 2")
        for model, values in TABLE_2.items()
        for fraction, value in zip(FRACTIONS, values, strict=True)
    ]
    rows.append(_published("table_3", "cifar10", "lab", 1.0, "cds_large", 93.7, "Table 3"))
    counts = {"cifarnet_dcn": 66_858, "cifarnet_surreal": 35_274}
    rows += [
        {**_published("table_1", "", "", np.nan, model, 100 * count, "Table 1"), "metric": "parameters"}
        for model, count in counts.items()
    ]
    return pd.DataFrame(rows)


def write_tables(
    folder: Path,
    *,
    label: str = "DEMO",
    images: tuple[tuple[str, str | None, str], ...] = (("colour_shapes", "cifar10", "lab"), ("svhn", None, "rgb")),
    models: tuple[str, ...] = CIFARNET,
    seeds: tuple[int, ...] = (0, 1, 2),
    mstar_fractions: tuple[float, ...] = (0.05, 1.0),
    labels: dict[str, tuple[str, int]] | None = None,
    without_history: bool = False,
    with_studies: bool = False,
) -> dict[str, pd.DataFrame]:
    """Write the tables and return them.

    Parameters
    ----------
    images
        (data set, what it stands in for, encoding) of the image experiment; trained with every seed.
    mstar_fractions
        Of the radar experiment, which is run on a stand-in and with the first seed alone.
    with_studies
        Fill the tables of items, analyses and claims, which are empty otherwise, and add their metrics.
    """
    generator = np.random.default_rng(7)
    published = published_table()
    runs = [
        _run(generator, "table_1", dataset, meant, encoding, None, 1.0, model, seed)
        for dataset, meant, encoding in images
        for model in models
        for seed in seeds
    ]
    runs += [
        _run(generator, "table_2", "simulated_mstar", "mstar", "complex", f"f{fraction:g}", fraction, model, seeds[0])
        for fraction in mstar_fractions
        for model in ("mstar_cds", "mstar_real")
    ]
    known = LABELS if labels is None else labels
    tables = {
        "benchmark": pd.DataFrame(
            [
                {
                    "scale": "demo" if label else "small",
                    "label": label,
                    "description": "Embedded data and a few hundred steps: shows that all works, measures nothing.",
                    "suites": SUITE,
                    "studies": studies_json(SUITE),
                    "display_names": display_names_json(*SUITES),
                    "config_digest": "c0ffee" * 10,
                }
            ]
        ),
        "models": pd.DataFrame(
            [
                {"model": model, "label": text, "study": SUITE, "published_parameters": count}
                for model, (text, count) in known.items()
            ]
        ),
        "published": published,
        "runs": pd.DataFrame(runs),
        "metrics": pd.DataFrame([row for run in runs for row in _metrics(generator, run, published)]),
        "history": pd.DataFrame([row for run in runs for row in _history(generator, run)]),
    }
    tables |= empty_tables()
    if with_studies:
        extra = study_tables(tables["runs"], published)
        extra["metrics"] = pd.concat([tables["metrics"], extra["metrics"]], ignore_index=True)
        tables |= extra
    if without_history:
        tables["history"] = tables["history"].iloc[:0]
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet")
    return tables


def _published(
    experiment: str, dataset: str, encoding: str, fraction: float, model: str, value: float, where: str
) -> dict[str, Any]:
    return {
        "suite": SUITE,
        "experiment": experiment,
        "dataset": dataset,
        "encoding": encoding,
        "train_fraction": fraction,
        "model": model,
        "metric": "test_accuracy",
        "condition": np.nan,
        "value": value / 100,
        "std": np.nan,
        "n": np.nan,
        "where": where,
    }


def _run(
    generator: np.random.Generator,
    experiment: str,
    dataset: str,
    meant: str | None,
    encoding: str,
    variant: str | None,
    fraction: float,
    model: str,
    seed: int,
) -> dict[str, Any]:
    data = "-".join(filter(None, [dataset, encoding, variant]))
    best = {"cifarnet_type_i": 0.68, "cifarnet_type_e": 0.67, "cifarnet_real": 0.63}.get(model, 0.5 + 0.4 * fraction)
    wall = float(generator.uniform(40, 4000))
    return {
        "run": f"{SUITE}/{experiment}/{data}/{model}/seed{seed}",
        "suite": SUITE,
        "experiment": experiment,
        "dataset": dataset,
        "stands_in_for": meant,
        "encoding": encoding,
        "variant": variant,
        "train_fraction": fraction,
        "model": model,
        "seed": seed,
        "parameters": LABELS.get(model, ("", 30_000))[1] - (31 if model == "mstar_cds" else 0),
        "published_parameters": LABELS.get(model, ("", 30_000))[1],
        "steps": 400,
        "batch_size": 64,
        "n_train": 900,
        "n_validation": 100,
        "n_test": 500,
        "device": "cpu",
        "images_per_second": float(generator.uniform(500, 5000)),
        "wall_seconds": wall,
        "train_seconds": 0.8 * wall,
        "peak_memory_bytes": 500_000_000,
        "best_step": 300,
        "best_validation_accuracy": best + float(generator.normal(0.01, 0.01)),
        "test_accuracy": best + float(generator.normal(0, 0.01)),
        "resumed": 0,
        "decoded_images_per_second": None,
        "wait_seconds": None,
        "diverged_at": None,
        "processes": 1,
        "threads": 2,
        "settings": json.dumps({"optimizer": "adamw", "learning_rate": 0.001, "betas": [0.9, 0.999], "schedule": None}),
        "environment": json.dumps({"python": "3.11.2", "torch": "2.13.0"}),
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "torch": "2.13.0",
        "python": "3.11.2",
        "digest": "feedbeef" * 8,
        "origin": "",
        "finished_at": f"2026-01-02T03:0{seed}:05+00:00",
    }


def _keys(run: dict[str, Any]) -> dict[str, Any]:
    names = ("run", "suite", "experiment", "dataset", "encoding", "variant", "model", "seed")
    return {name: run[name] for name in names}


def _metrics(generator: np.random.Generator, run: dict[str, Any], published: pd.DataFrame) -> list[dict[str, Any]]:
    beside = published[
        (published["experiment"] == run["experiment"])
        & (published["dataset"] == (run["stands_in_for"] or run["dataset"]))
        & (published["encoding"] == run["encoding"])
        & (published["train_fraction"] == run["train_fraction"])
        & (published["model"] == run["model"])
    ]
    value = beside["value"].iloc[0] if len(beside) else np.nan
    where = beside["where"].iloc[0] if len(beside) else None
    keys = {**_keys(run), "stands_in_for": run["stands_in_for"], "train_fraction": run["train_fraction"]}
    nothing = {"published": np.nan, "published_where": None}
    rows = [
        {
            **keys,
            "metric": "test_accuracy",
            "condition": np.nan,
            "value": run["test_accuracy"],
            "published": value,
            "published_where": where,
        }
    ]
    for degrees in range(0, 181, 15):
        fall = 0.4 * np.sin(np.radians(degrees / 2)) if run["model"].endswith("real") else 0.0
        accuracy = run["test_accuracy"] - fall + (generator.normal(0, 0.005) if fall else 0)
        rows.append({**keys, "metric": "rotation_accuracy", "condition": degrees, "value": accuracy, **nothing})
    return rows


def _history(generator: np.random.Generator, run: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **_keys(run),
            "step": step,
            "epoch": step / 14,
            "train_loss": 2.3 * np.exp(-step / 200) + generator.uniform(0, 0.1),
            "train_accuracy": 1 - np.exp(-step / 90),
            "test_loss": np.nan,
            "test_accuracy": np.nan,
            "validation_loss": 2.3 * np.exp(-step / 200) + 0.2,
            "validation_accuracy": run["best_validation_accuracy"] * (1 - np.exp(-step / 100)),
            "learning_rate": 1e-3,
            "images_per_second": run["images_per_second"],
        }
        for step in range(50, 401, 50)
    ]
