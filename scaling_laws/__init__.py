"""Scaling laws: fits of test error against the size of the data and of the model, and how far they can be trusted.

``fit_law`` fits one form, ``compare_laws`` says which form forecasts best, ``extrapolate`` judges a form on larger
scales than it was fitted to, and ``forecast`` combines forms into forecasts with intervals.  The names are listed in
``__init__.pyi``; JAX is loaded when a law is first fitted.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
