"""Image data sets: readers of their files as published, and :func:`load`, which finds them by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
