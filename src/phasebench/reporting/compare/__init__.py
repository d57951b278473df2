"""Comparison of two results folders, cell by cell, as a page and a CSV file."""
