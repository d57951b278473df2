"""Listing of the registered models with their parameter counts."""

import torch

from phasebench.models.registry import REGISTRY, build_model, count_parameters

N_CLASSES = 10


def list_models() -> list[dict[str, str | int | list[int] | None]]:
    """One row for each registered model, built with ten logits: name, study, input shape, parameter counts."""
    return [
        {
            "name": name,
            "label": entry.label,
            "study": entry.study,
            "input_shape": list(entry.input_shape),
            "input": "real planes" if entry.real else "complex channels",
            "n_classes": N_CLASSES,
            "parameters": _count(name, entry.input_shape[0]),
            "published_parameters": entry.published_parameters,
        }
        for name, entry in REGISTRY.items()
    ]


def _count(name: str, in_channels: int) -> int:
    # On the meta device no parameter is drawn, which takes most of the time of building a model.
    with torch.device("meta"):
        return count_parameters(
            build_model(name, n_classes=N_CLASSES, in_channels=in_channels, planes=range(in_channels))
        )
