"""Helpers for every floor, which know nothing of the benchmark."""
