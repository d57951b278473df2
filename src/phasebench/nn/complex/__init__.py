"""Layers for complex-valued feature maps.

Layout, here and nowhere else: a complex map with C channels is one real tensor of shape ``(N, 2, C, H, W)``; axis 1
holds the real and the imaginary part. It is contiguous for convolution as ``(N, 2C, H, W)``, works with autocast,
CUDA graphs and ``torch.compile``, and avoids native complex convolution, which is slower.
:func:`phasebench.nn.complex.layout.as_planes` converts native complex tensors once, at a model's door.

A layer is *equivariant* if multiplying its input by a unit complex number multiplies its output by the same number,
and *invariant* if its output does not change.

The names of ``__init__.pyi`` are imported when they are first used: a run that needs one layer executes, and its hash
follows, the module of that layer alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
