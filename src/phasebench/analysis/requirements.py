"""Requirements of analyses on the runs of an experiment, checked before anything is trained."""

from collections.abc import Callable, Mapping, Sequence

from phasebench.specs.run import FullBatchRecipe, Recipe

AnyRecipe = Recipe | FullBatchRecipe


def _snapshots(recipes: Mapping[str, AnyRecipe], fractions: Sequence[float]) -> str:
    other = [name for name, recipe in recipes.items() if not isinstance(recipe, FullBatchRecipe)]
    return f"recipe '{other[0]}' keeps no snapshots; it needs procedure: full_batch" if other else ""


def _followed_test(recipes: Mapping[str, AnyRecipe], fractions: Sequence[float]) -> str:
    blind = [name for name, recipe in recipes.items() if not (isinstance(recipe, Recipe) and recipe.track_test)]
    return f"recipe '{blind[0]}' does not follow the test; it needs track_test: true" if blind else ""


def _several_fractions(recipes: Mapping[str, AnyRecipe], fractions: Sequence[float]) -> str:
    return "" if len(set(fractions)) > 1 else "a line needs at least two train_fractions in the experiment's grid"


_REQUIREMENTS: Mapping[str, Callable[[Mapping[str, AnyRecipe], Sequence[float]], str]] = {
    "early_accuracy": _followed_test,
    "projections": _snapshots,
    "trend": _several_fractions,
}


def analysis_refusal(analysis: str, recipes: Mapping[str, AnyRecipe], fractions: Sequence[float]) -> str:
    """Say why an analysis can find nothing in the runs of an experiment; '' if it can.

    Parameters
    ----------
    analysis : str
        Its name.
    recipes : mapping
        The recipes that train the experiment's models, by name.
    fractions : sequence of float
        Shares of the training pool.
    """
    check = _REQUIREMENTS.get(analysis)
    return check(recipes, fractions) if check else ""
