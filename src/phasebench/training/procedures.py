"""Registry of the training procedures."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from phasebench.common.registry import Registry

if TYPE_CHECKING:
    from phasebench.specs.run import AnyRecipe

    Procedure = Callable[..., None]

PROCEDURES: Registry[str] = Registry(
    "training procedure",
    {
        "minibatch": "phasebench.training.minibatch:train_run",
        "full_batch": "phasebench.training.full_batch:train_full_batch",
    },
)


def load_procedure(recipe: "AnyRecipe") -> "Procedure":
    """The function that trains a run by this recipe; see :func:`phasebench.training.minibatch.train_run`."""
    procedure: Procedure = PROCEDURES.load(recipe.procedure)
    return procedure
