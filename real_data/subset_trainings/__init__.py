"""Networks that are each trained on a random share of the pool, and what they say of every image.

From one set of such trainings come memorization, influence, disagreement, uncertainty, consistency and the scores of
networks that have not seen an example; see :mod:`real_data.scores`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
