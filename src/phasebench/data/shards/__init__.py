"""Sharded data sets: images too many for one file."""
