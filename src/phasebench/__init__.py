"""phasebench: a benchmark of complex-valued and spectral neural networks."""
