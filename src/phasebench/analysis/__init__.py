"""Analyses across the trained runs of an experiment."""
