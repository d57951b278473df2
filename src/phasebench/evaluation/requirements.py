"""Requirements of evaluations on models and data, checked before anything is trained."""

from collections.abc import Callable, Mapping

from phasebench.data.encodings.registry import COLOUR_ENCODINGS
from phasebench.data.sources.registry import COLOURLESS_SOURCES
from phasebench.models.registry import ModelEntry, find_model

GUIDED_RULE = "guided_rule"
READ_FIELDS: Mapping[str, str] = {"filter_similarity": GUIDED_RULE}
"""Evaluation -> the field of a model's entry that it reads and that no training does."""


def _second_normalisation(entry: ModelEntry) -> str:
    return "" if entry.second_normalisation else "has no second normalisation behind another"


def _dense_head(entry: ModelEntry) -> str:
    return "" if entry.dense_head else "has no dense layer or prototype distance whose input is an embedding"


def _projectable(entry: ModelEntry) -> str:
    return "" if entry.projectable else "has no convolution or dense layer to project"


def _guided_rule(entry: ModelEntry) -> str:
    return "" if entry.guided_rule else f"has no {GUIDED_RULE} in the table of models"


_OF_MODELS: Mapping[str, Callable[[ModelEntry], str]] = {
    "embedding": _dense_head,
    "filter_similarity": _guided_rule,
    "spectra": _second_normalisation,
    "weight_projections": _projectable,
}
_OF_COLOURS = frozenset({"colour_jitter"})


def model_refusal(evaluation: str, model: str) -> str:
    """Say why an evaluation cannot work on a registered model; '' if it can.

    Raises
    ------
    PhasebenchError
        There is no such model.
    """
    check = _OF_MODELS.get(evaluation)
    complaint = check(find_model(model)) if check else ""
    return f"model '{model}' {complaint}" if complaint else ""


def reads_registry(evaluation: str) -> bool:
    """True for an evaluation that works only where the table of models says so."""
    return evaluation in _OF_MODELS


def encoding_refusal(evaluation: str, encoding: str) -> str:
    """Say why an evaluation cannot work on test samples in an encoding; '' if it can."""
    if evaluation in _OF_COLOURS and encoding not in COLOUR_ENCODINGS:
        return f"encoding '{encoding}' is of samples without colours"
    return ""


def source_refusal(evaluation: str, source: str, sharded: bool) -> str:
    """Say why an evaluation cannot work on the samples of a data source; '' if it can, or if only the data can tell."""
    if sharded:
        return "is kept in shards, which no evaluation reads"
    if evaluation in _OF_COLOURS and source in COLOURLESS_SOURCES:
        return "has no colours"
    return ""
