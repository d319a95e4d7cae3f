"""Data pruning on real images: score the examples, keep a fraction by a keep rule, train again, test.

The names are listed in ``__init__.pyi``; ``prune`` and the settings need NumPy only, the other names load JAX, Flax and
so on when they are first asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
