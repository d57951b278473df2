"""Hashes of exactly the definitions that a piece of Python reaches."""
