"""Models that are variants of one network, such as ``resnet18`` and ``resnet18_sbn34``."""

import pandas as pd

from phasebench.reporting.drawing.palette import LineStyle


def network_of(model: str) -> str:
    """The part of a model's name that variants of one network share."""
    return model.partition("_")[0]


def by_network(data: pd.DataFrame, styles: dict[str, LineStyle]) -> list[tuple[str, pd.DataFrame]]:
    """The part of each network under the network's name, in the order of the models.

    Parameters
    ----------
    data
        With a column ``model``.
    styles
        Models -> style. Behind the name of a network, labels say what is inserted, after a plus sign.
    """
    drawn = set(data["model"])
    labels: dict[str, str] = {}
    for model, style in styles.items():
        if model in drawn:
            labels.setdefault(network_of(model), style.label.partition(" + ")[0])
    networks = data["model"].map(network_of)
    return [(label, data[networks == network].reset_index(drop=True)) for network, label in labels.items()]


def joined_title(*parts: str) -> str:
    """The parts that are not empty."""
    return ", ".join(part for part in parts if part)
