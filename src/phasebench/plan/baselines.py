"""On which inputs of networks the controls are measured: on each once, however many networks read it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from phasebench.common.files import canonical_json
from phasebench.specs.run import RunSpec

# What decides the samples that a network reads, and how it reads them.
_INPUT = {"dataset", "encoding", "test_encoding", "train_fraction", "validation_fraction", "subset", "seed"}
# What else tells a cell of the tables from others.
_CELL = {"experiment", "stands_in_for", "variant"}


@dataclass(frozen=True)
class PlannedControls:
    """The inputs of a study's networks, each with the cells of the tables that have it, as settings of the stage."""

    suite: str
    inputs: tuple[dict[str, Any], ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, each once."""
        return datasets_of(self.inputs)


def datasets_of(inputs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the data sets that inputs are of, each once."""
    return tuple(dict.fromkeys(one["dataset"] for one in inputs))


def plan_controls(specs: Iterable[RunSpec]) -> dict[str, PlannedControls]:
    """The inputs of each study's runs, by the study, in an order that does not follow that of the runs.

    Models and recipes are no part of an input: where they change, no control is measured again.
    """
    cells: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    inputs: dict[str, dict[str, Any]] = {}
    for spec in specs:
        read, cell = (spec.model_dump(mode="json", include=keys) for keys in (_INPUT, _CELL))
        key = canonical_json(read)
        inputs[key] = read
        cells.setdefault(spec.suite, {}).setdefault(key, {})[canonical_json(cell)] = cell
    return {
        suite: PlannedControls(
            suite,
            tuple({**inputs[key], "cells": [found[key][cell] for cell in sorted(found[key])]} for key in sorted(found)),
        )
        for suite, found in cells.items()
    }
