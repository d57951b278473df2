"""Encodings: stored samples to complex feature maps."""
