"""Radar chips, read and simulated."""
