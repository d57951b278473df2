"""Data sources: raw files to arrays."""
