"""Provenance and staleness of every result."""
