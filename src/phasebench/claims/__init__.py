"""Published numbers, claims and verdicts."""
