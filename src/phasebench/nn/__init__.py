"""Layers of complex-valued, spectral and graph neural networks, which know nothing of the benchmark."""
