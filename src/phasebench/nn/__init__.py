"""The layer library."""
