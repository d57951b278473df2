"""Recipes and run specs."""

import pytest

from phasebench.specs.run import Recipe


def test_a_recipe_has_one_length() -> None:
    with pytest.raises(ValueError, match="exactly one of 'steps' and 'epochs'"):
        Recipe(optimizer="adamw", learning_rate=1e-3, batch_size=8, validate_every=1)
