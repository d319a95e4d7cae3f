"""Pictures of the results of the other rooms; every figure is a function from saved results to a matplotlib figure.

The names are listed in ``__init__.pyi``; matplotlib is loaded when one of them is first asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
