"""Finite perceptrons trained on pruned data, each solved to a certificate: experiments that check the theory.

The names are listed in ``__init__.pyi``; the room, and with it JAX, is loaded when one of them is first asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
