"""Scores of difficulty: one number per training example, higher = harder, in data-set order.

:func:`score` trains networks and scores a data set; :func:`scores_from_csv` reads scores that others published.  What
each score is stands with :func:`score` and with the functions of arrays.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
