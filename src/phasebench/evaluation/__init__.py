"""Evaluations of a trained run."""
