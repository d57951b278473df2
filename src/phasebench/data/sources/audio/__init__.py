"""Audio recordings, read and generated."""
