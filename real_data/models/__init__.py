"""Networks, as Flax NNX modules.

A network is called on a batch of images, shape (batch, height, width, channels), and returns float32 logits, shape
(batch, num_classes); its method ``features`` returns the activations before the last layer, float32 of shape
(batch, width).  Both take the keywords ``train``, whether batch normalisation uses and updates the statistics of the
batch, and ``tap``, see :mod:`real_data.models.gradient_tap`.  The state is ``nnx.Param`` and ``nnx.BatchStat`` alone.

A constructor takes the random numbers by the keyword ``rngs``, so that ``functools.partial(MLP, 64, 10)`` is what
:func:`real_data.training.train.train` needs; :func:`build` makes such an object from a
:class:`real_data.models.config.ModelConfig`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
