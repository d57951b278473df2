"""Specs and their files: the interface between stages."""
