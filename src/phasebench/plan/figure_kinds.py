"""Kinds of figures in the report, by which a suite names the figures of its study that they answer."""

from typing import Literal

FigureKind = Literal[
    "rotation",
    "colour-jitter",
    "phase-normalisation",
    "robustness",
    "confidence",
    "calibration",
    "class-report",
    "embedding",
    "bias-variance",
    "bias-variance-classes",
    "trend",
    "filter-similarity",
    "feature-map-norm",
    "feature-map-bands",
    "spectra",
    "overhead",
    "projections",
    "constraints",
    "trained-weights",
    "loss",
    "epoch-curves",
    "training",
]
"""The last part of a figure's file name; :mod:`phasebench.reporting.figures` makes one of each."""
