"""Weights of networks in and out of files: our own, and those of torchvision, timm and the authors of the ViT.

:func:`read` and :func:`write` know the formats and the names, :func:`starting_weights` brings what was read to the
network of the settings.  Nothing that a file names is ever called: files of PyTorch are pickles, of which only tables
of names, shapes and numbers are understood here (:mod:`real_data.weights.torch_pickle`); pickled objects in files of
NumPy are refused.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
