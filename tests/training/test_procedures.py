"""Registry of the training procedures."""

from phasebench.specs.run import FullBatchRecipe, Recipe
from phasebench.training.full_batch import train_full_batch
from phasebench.training.minibatch import train_run
from phasebench.training.procedures import load_procedure

RECIPE = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=6, snapshot_every=2)


def test_the_recipe_names_the_procedure() -> None:
    batches = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=2, steps=1, validate_every=1)
    assert load_procedure(batches) is train_run
    assert load_procedure(RECIPE) is train_full_batch
