"""Layers that act on the spectrum of a feature map.

Spectra are those of :func:`torch.fft.rfft2` without normalisation: a real map ``(H, W)`` has ``H (W // 2 + 1)``
complex coefficients. Complex numbers that belong to a channel are real tensors ``(2, C)``, real parts first, so that
they can be buffers of any file format and take part in mixed precision.

The names of ``__init__.pyi`` are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
