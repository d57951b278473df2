"""Accuracy by class and serial number: balanced accuracy, recalls, the confusion matrix."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from phasebench.data.store import read_extra
from phasebench.evaluation.trained import TrainedRun


def evaluate_class_report(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``balanced_accuracy``, the mean recall of the classes, and of its parts as items.

    ``recall`` has an item for each class, ``confusion`` one for each pair, such as ``t72 as bmp2``: the share of a
    class that is taken for another. ``serial_accuracy`` has one for each serial number of the test, such as ``t72
    a64``, where the data set knows them. Classes without a test sample have none.
    """
    classes = run.data.classes
    counts = torch.zeros(len(classes), len(classes), dtype=torch.float64)
    prediction = run.logits.argmax(dim=1).cpu()
    labels = run.labels.cpu()
    counts.index_put_((labels, prediction), torch.ones(len(labels), dtype=torch.float64), accumulate=True)
    shares = counts / counts.sum(dim=1, keepdim=True)
    present = [label for label in range(len(classes)) if counts[label].sum() > 0]
    recalls = {classes[label]: float(shares[label, label]) for label in present}
    found: list[tuple[str, str | None, float]] = [("balanced_accuracy", None, float(np.mean([*recalls.values()])))]
    found += [("recall", name, value) for name, value in recalls.items()]
    found += [
        ("confusion", f"{classes[label]} as {other}", float(shares[label, number]))
        for label in present
        for number, other in enumerate(classes)
        if number != label
    ]
    right = (prediction == labels).double().numpy()
    if names := _serial_names(run):
        by_serial = pd.Series(right).groupby(names).mean()
        found += [("serial_accuracy", str(name), float(value)) for name, value in by_serial.items()]
    rows = [
        {"metric": metric, "condition": float("nan"), "draw": 0, "item": item, "value": value}
        for metric, item, value in found
    ]
    return pd.DataFrame(rows)


def _serial_names(run: TrainedRun) -> list[str]:
    """Class and serial number of each test sample; none where the data set does not know them."""
    serials = read_extra(run.data_path, "serial") if run.data_path != Path() else None
    if serials is None:
        return []
    return [
        f"{run.data.classes[label]} {serial}"
        for label, serial in zip(run.labels.tolist(), serials[run.data.test.cpu().numpy()], strict=True)
    ]
