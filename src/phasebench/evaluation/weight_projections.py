"""Accuracy of a trained network of which one kind of information is kept (Nie and Yuan, section 2; its future work).

The projections are those of the study's perceptrons, applied to all convolutions and dense layers at once. Biases and
normalisations stay as trained, and a projected weight keeps the scale of the trained one.
"""

import copy
from dataclasses import replace

import pandas as pd
from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.registry import find_model
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.weight_projections import (
    COMPLEX_PROJECTIONS,
    HALF_ELEMENTS,
    HALF_UNITS,
    REAL_PROJECTIONS,
    projected_parameters,
)

N_DRAWS = 10


def evaluate_weight_projections(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``accuracy_<projection>``; random halves have ten draws, the same for every network of one layout.

    Raises
    ------
    PhasebenchError
        The network has no layer that can be projected.
    """
    real = find_model(run.spec.model).real
    layers: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear) if real else (ComplexConv2d,)
    if not any(isinstance(module, layers) for module in run.model.modules()):
        names = " or ".join(layer.__name__ for layer in layers)
        raise PhasebenchError(f"{run.spec.id}: weight_projections: '{run.spec.model}' has no {names} to project")
    projections = [name for name in (REAL_PROJECTIONS if real else COMPLEX_PROJECTIONS) if name != "origin"]
    halves = [(name, draw) for name in (HALF_UNITS, HALF_ELEMENTS) for draw in range(N_DRAWS)]
    rows = [_row("origin", 0, run.test_accuracy())]
    model = copy.deepcopy(run.model)
    for name, draw in track([*((name, 0) for name in projections), *halves], "projecting weights"):
        random = generator(0, Stream.PROJECTION, draw)
        model.load_state_dict(projected_parameters(run.model, name, layers, random), strict=False)
        rows.append(_row(name, draw, replace(run, model=model).test_accuracy()))
    return pd.DataFrame(rows)


def _row(name: str, draw: int, accuracy: float) -> dict[str, object]:
    return {"metric": f"accuracy_{name}", "condition": float("nan"), "draw": draw, "value": accuracy}
