"""Kinds of figures: those that suites may name are those that are made."""

import ast
from pathlib import Path
from typing import get_args

from support.shipped import SUITES, shipped_suite

import phasebench.reporting.figures
from phasebench.plan.figure_kinds import FigureKind
from phasebench.reporting.figures.registry import FIGURES

FOLDER = Path(phasebench.reporting.figures.__file__).parent


def test_every_kind_is_made_by_one_figure() -> None:
    kinds = get_args(FigureKind)
    strings = [
        node.value
        for file in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    ]
    # The type checker refuses a figure of another kind.
    assert [kind for kind in kinds if kind not in strings] == []
    assert len(set(kinds)) == len(kinds) == len(FIGURES)


def test_suites_answer_figures_of_their_evaluations_and_analyses() -> None:
    measured = {
        "rotation": "rotation",
        "colour-jitter": "colour_jitter",
        "phase-normalisation": "phase_normalisation",
        "confidence": "confidence",
        "embedding": "embedding",
        "bias-variance": "bias_variance",
        "bias-variance-classes": "bias_variance",
        "trend": "trend",
        "filter-similarity": "filter_similarity",
        "spectra": "spectra",
        "projections": "projections",
    }
    answered = [
        (experiment, kind)
        for suite in SUITES
        for experiment in shipped_suite(suite).experiments.values()
        for kind in experiment.answers
    ]
    assert len(answered) == 26
    for experiment, kind in answered:
        if kind in measured:
            assert measured[kind] in (*experiment.evaluations, *experiment.analyses), (experiment.title, kind)
        if kind == "overhead":
            assert experiment.overhead, experiment.title


def test_what_is_answered_stands_beside_what_the_study_reports_there() -> None:
    for suite in SUITES:
        for name, experiment in shipped_suite(suite).experiments.items():
            assert set(experiment.reported) == set(experiment.answers), (suite, name)


def test_each_study_says_what_it_asks() -> None:
    assert all(shipped_suite(suite).question.endswith("?") for suite in SUITES)
