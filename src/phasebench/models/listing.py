"""Listing of the registered models with their parameter counts, which are stored: building all networks takes long."""

from pathlib import Path

from phasebench.common.files import canonical_json, read_json_if_whole, write_if_different
from phasebench.models.registry import REGISTRY, build_model, count_parameters

N_CLASSES = 10
COUNTS_FILE = Path(__file__).with_name("parameter_counts.json")
"""Model -> trainable real numbers for :data:`N_CLASSES`; ``phasebench models --count`` writes it."""


def list_models() -> list[dict[str, str | int | list[int] | None]]:
    """One row for each registered model with ten logits: name, study, input shape, parameter counts.

    A model without a stored count, such as a new one, is built.
    """
    stored = read_json_if_whole(COUNTS_FILE)
    return [
        {
            "name": name,
            "label": entry.label,
            "study": entry.study,
            "input_shape": list(entry.input_shape),
            "input": "real planes" if entry.real else "complex channels",
            "n_classes": N_CLASSES,
            "parameters": stored[name] if name in stored else count_of(name),
            "published_parameters": entry.published_parameters,
        }
        for name, entry in REGISTRY.items()
    ]


def write_counts() -> None:
    """Write :data:`COUNTS_FILE` where it changes."""
    write_if_different(COUNTS_FILE, canonical_json({name: count_of(name) for name in REGISTRY}))


def count_of(name: str) -> int:
    """Parameters of a registered model, counted on one that is built for :data:`N_CLASSES`."""
    import torch

    in_channels = REGISTRY.find(name).input_shape[0]
    # On the meta device no parameter is drawn, which takes most of the time of building a model.
    with torch.device("meta"):
        return count_parameters(
            build_model(name, n_classes=N_CLASSES, in_channels=in_channels, planes=range(in_channels))
        )
