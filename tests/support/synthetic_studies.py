"""Items, analyses and claims as the aggregation writes them, for runs with the images of one data set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from phasebench.properties.rows import COLUMN_TYPES, Property
from phasebench.tables.schema import COLUMNS
from support.shipped import experiment_row

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
N_FILTERS = 12
INVARIANT = ("cifarnet_type_i", "cifarnet_type_e")
RUN_KEYS = (
    *("run", "suite", "experiment", "dataset", "encoding", "variant", "model", "seed", "stands_in_for"),
    "train_fraction",
)
CELL_KEYS = ("suite", "experiment", "dataset", "stands_in_for", "encoding", "variant", "train_fraction", "model")
TABLES = {
    "left_out": tuple(COLUMNS["left_out"]),
    "unfinished": tuple(COLUMNS["unfinished"]),
    "experiments": ("suite", "experiment", "title", "answers", "reported", "sorted_by", "author_seed"),
    "items": (*RUN_KEYS, "metric", "condition", "item", "value"),
    "analyses": (*CELL_KEYS, "analysis", "seed", "n", "metric", "condition", "item", "value"),
    "properties": tuple(COLUMN_TYPES),
    "claims": (
        *("suite", "claim", "part", "kind", "experiment", "text", "where", "published", "unit", "threshold"),
        *("mean", "std", "low", "high", "n", "mark", "direction", "reason", "power", "seeds_to_decide"),
        *("paper_agrees", "detail", "runs"),
    ),
}


def _properties() -> Iterator[dict[str, Any]]:
    """A law that holds, a control that fails, and what is measured of two networks."""
    suite = "co_domain_symmetry"
    for dtype, error in (("float64", 4e-16), ("float32", 3e-7)):
        for angle in ("30°", "170°"):
            conv = Property("layer", "ComplexConv2d", "phase equivariance", error, 0.0, 1e-4, angle, dtype)
            relu = Property("layer", "CReLU", "phase equivariance", 0.5, 0.0, 1e-4, angle, dtype, is_control=True)
            for one in (conv, relu):
                yield {"suite": suite, **vars(one), "holds": one.holds}
    for model, count, change in (("cifarnet_type_i", 24_241.0, 2e-6), ("cifarnet_real", 34_000.0, 0.9)):
        is_control = model == "cifarnet_real"
        published = 24_241.0 if model == "cifarnet_type_i" else 34_282.0
        for one in (
            Property("network", model, "parameters", count, published, 0.0, "2x32x32, 10 classes"),
            Property(
                *("network", model, "phase invariance of the logits", change, 0.0, 0.01, "45°", "float32"),
                is_control=is_control,
            ),
            Property("network", model, "training step", 12.5, item="2 images", dtype="float32", unit="ms"),
        ):
            yield {"suite": suite, **vars(one), "holds": one.holds}


def empty_tables() -> dict[str, pd.DataFrame]:
    """The tables of a benchmark that evaluates and analyses nothing."""
    return {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}


def study_tables(runs: pd.DataFrame, published: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """``items``, ``analyses``, ``claims`` and further ``metrics``.

    The runs of the first data set of Table 1 are evaluated, all cells of Table 1 with several seeds have bias and
    variance, Table 2 has trends.
    """
    generator = np.random.default_rng(11)
    images = runs[runs["experiment"] == "table_1"]
    first = images[images["dataset"] == images["dataset"].iloc[0]]
    records = first.to_dict("records")
    frames = {
        "experiments": pd.DataFrame(
            [
                experiment_row("co_domain_symmetry", name, title)
                for name, title in (("table_1", ""), ("table_2", "Table 2: radar"))
            ]
        ),
        "items": pd.DataFrame([row for run in records for row in _items(generator, run)]),
        "metrics": pd.DataFrame([row for run in records for row in _metrics(generator, run)]),
        "analyses": pd.DataFrame([*_bias_variance(generator, images), *_trends(runs, published)]),
        "claims": pd.DataFrame(_claims(first)),
        "properties": pd.DataFrame(_properties()),
    }
    for name, columns in TABLES.items():
        frames[name] = frames.get(name, pd.DataFrame()).reindex(columns=list(columns))
    return frames


def _items(generator: np.random.Generator, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    keys = {name: run[name] for name in RUN_KEYS}
    steady = run["model"] in INVARIANT
    for image in range(8):
        height, depth = generator.uniform(0.4, 0.95), 0.0 if steady else generator.uniform(0.1, 0.35)
        for angle in range(0, 360, 10):
            value = height + depth * (np.cos(np.radians(angle) + image) - 1)
            item = {"metric": "true_class_confidence", "condition": angle, "item": f"image{image}", "value": value}
            yield {**keys, **item}
    for image in range(10):
        place, radius = generator.uniform(-20, 20, 2), 0.3 if steady else generator.uniform(3, 9)
        for angle in range(0, 360, 10):
            turn = np.radians(angle) * (1 + image % 2)
            x, y = place + radius * np.array([np.cos(turn), np.sin(turn) * np.cos(turn / 2)])
            for metric, value in (("tsne_x", x), ("tsne_y", y)):
                yield {**keys, "metric": metric, "condition": angle, "item": f"image{image}", "value": value}
    for first in range(N_FILTERS):
        for second in range(first):
            for kind, width in (("guided", 0.2), ("plain", 0.1)):
                value = float(np.clip(generator.normal(0.0 if steady else 0.25, width), -1, 1))
                metric = f"filter_similarity_{kind}"
                yield {**keys, "metric": metric, "condition": np.nan, "item": f"{second}-{first}", "value": value}


def _metrics(generator: np.random.Generator, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    keys = {**{name: run[name] for name in RUN_KEYS}, "published": np.nan, "published_where": None}
    steady = run["model"] in INVARIANT
    accuracy = run["test_accuracy"]
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = accuracy - strength * (0.03 if steady else 0.2) + generator.normal(0, 0.005)
        yield {**keys, "metric": "jitter_accuracy", "condition": strength, "value": value}
    for degrees in range(0, 181, 30):
        for kind in ("circular", "unit_circular", "arithmetic"):
            fall = 0.25 * np.sin(np.radians(degrees / 2)) if kind == "arithmetic" and not steady else 0.0
            yield {**keys, "metric": f"accuracy_phase_{kind}", "condition": degrees, "value": accuracy - 0.02 - fall}
    spread = 0.0 if steady else float(generator.uniform(0.3, 0.6))
    once = {"embedding_spread_ratio": spread, "tsne_spread_ratio": spread + 0.01}
    for kind in ("guided", "plain"):
        once[f"filter_similarity_{kind}_mean"] = 0.0 if steady else 0.25
        once[f"filter_similarity_{kind}_mean_abs"] = 0.1 if steady else 0.3
    for metric, value in once.items():
        yield {**keys, "metric": metric, "condition": np.nan, "value": value}


def _bias_variance(generator: np.random.Generator, images: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, group in images.groupby(["dataset", "encoding", "model"], sort=False):
        if len(group) < 2:
            continue
        keys = {name: group.iloc[0][name] for name in CELL_KEYS}
        keys |= {"analysis": "bias_variance", "seed": np.nan, "n": len(group), "condition": np.nan}
        worse = 0.0 if keys["model"] in INVARIANT else 0.1
        for metric, level in (("bias", 0.25), ("variance", 0.12)):
            values = level + worse + 0.02 * np.arange(len(CLASSES)) + generator.normal(0, 0.02, len(CLASSES))
            for item, value in zip([*CLASSES, None], [*values, values.mean()], strict=True):
                yield {**keys, "metric": metric, "item": item, "value": value}


def _trends(runs: pd.DataFrame, published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    fitted = runs[runs["experiment"] == "table_2"].assign(error=lambda frame: 1 - frame["test_accuracy"])
    nothing = {"variant": None, "train_fraction": np.nan, "condition": np.nan, "item": None, "analysis": "trend"}
    for _, line in fitted.groupby(["model", "seed"], sort=False):
        keys = {name: line.iloc[0][name] for name in ("suite", "experiment", "dataset", "stands_in_for", "encoding")}
        keys |= {**nothing, "model": line.iloc[0]["model"], "seed": line.iloc[0]["seed"], "n": 1}
        if len(line) > 1:
            yield from _fit(keys, "trend", line["train_fraction"], line["error"])
    study = published[(published["experiment"] == "table_2") & (published["metric"] == "test_accuracy")]
    for model, line in study.groupby("model", sort=False):
        keys = {name: line.iloc[0][name] for name in ("suite", "experiment", "dataset", "encoding")}
        keys |= {**nothing, "stands_in_for": None, "model": model, "seed": np.nan, "n": 1}
        yield from _fit(keys, "published_trend", line["train_fraction"], 1 - line["value"])


def _fit(keys: dict[str, Any], name: str, fractions: Any, errors: Any) -> Iterator[dict[str, Any]]:
    slope, intercept = np.polyfit(np.log(fractions), np.log(errors), 1)
    yield {**keys, "metric": f"{name}_slope", "value": slope}
    yield {**keys, "metric": f"{name}_intercept", "value": intercept}


def _claims(first: pd.DataFrame) -> list[dict[str, Any]]:
    suite, runs = first["suite"].iloc[0], " ".join(first["run"].iloc[:3])
    nothing = {
        "published": "",
        "mean": np.nan,
        "std": np.nan,
        "low": np.nan,
        "high": np.nan,
        "reason": "",
        "detail": "",
    }
    nothing |= {"part": "", "kind": "finding", "experiment": "table_1", "power": np.nan, "seeds_to_decide": np.nan}
    nothing |= {"direction": "", "paper_agrees": "no number printed", "n": 3, "runs": runs, "suite": suite}
    margin = {"where": "Table 1", "published": "+8.94", "unit": "points", "std": 0.004, "n": 3}
    margin |= {"text": "Type-E beats DCN in LAB.", "mean": 0.0312}
    rows: list[dict[str, Any]] = [
        {"claim": "type_i_invariant", "kind": "property", "mark": "by construction", "where": "Figure 2c"}
        | {"text": "Type-I keeps its logits under every rotation of the phase.", "unit": "ratio"}
        | {"threshold": "at most 0.01", "mean": 0.0, "std": 0.0, "low": 0.0, "high": 0.0},
        {"claim": "margin_lab", "part": "direction", "mark": "reproduced", "threshold": "at least 0 points"}
        | margin
        | {"low": 0.0213, "high": 0.0361, "paper_agrees": "yes", "power": 0.97},
        {"claim": "margin_lab", "part": "size", "mark": "not reproduced", "threshold": "8.94 points"}
        | margin
        | {"low": -0.0032, "high": 0.0656, "detail": "cifar10 lab", "paper_agrees": "yes", "power": 0.8},
        {
            "claim": "lowest_error",
            "mark": "not tested",
            "reason": "not run: 90 % of the samples",
            "experiment": "table_2",
        }
        | {"text": "The study's radar model has the lowest error at every size of the training set.", "n": 0}
        | {"where": "Figure 7a", "published": "4.8 % at 90 %", "unit": "percent", "threshold": "at most 0", "runs": ""}
        | {"detail": "fails at 90 % in the study's Table 2", "paper_agrees": "no"},
        {"claim": "parameters", "kind": "property", "mark": "by construction", "text": "Less than half of SurReal's."}
        | {"where": "Table 2", "published": "29,536 of 63,690", "unit": "ratio", "threshold": "at most 0.5", "n": 1}
        | {"mean": 0.448, "paper_agrees": "yes", "runs": runs.split()[0], "experiment": "table_2"},
        {"claim": "classes", "mark": "open", "text": "Lowest variance in nine of ten classes.", "where": "Figure 7b"}
        | {"published": "9", "unit": "count", "threshold": "at least 9", "mean": 8.0, "seeds_to_decide": 14.0}
        | {"reason": "14 seeds would decide it at this spread"},
        {"claim": "stand_in", "mark": "not tested", "text": "DCN fails under rotation.", "where": "Figure 2c"}
        | {"unit": "points", "threshold": "at most -10 points", "mean": -0.3, "std": 0.01, "low": -0.32, "high": -0.28}
        | {"direction": "points the same way", "reason": "stand-in data: colour_shapes for cifar10"},
    ]
    return [nothing | row for row in rows]
