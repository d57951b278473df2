"""Which training procedures there are, without importing any of them."""

import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phasebench.specs.run import AnyRecipe

    Procedure = Callable[..., None]

PROCEDURES: dict[str, str] = {
    "minibatch": "phasebench.training.minibatch:train_run",
    "full_batch": "phasebench.training.full_batch:train_full_batch",
}


def load_procedure(recipe: "AnyRecipe") -> "Procedure":
    """The function that trains a run by this recipe; see :func:`phasebench.training.minibatch.train_run`."""
    procedure: Procedure = pkgutil.resolve_name(PROCEDURES[recipe.procedure])
    return procedure
