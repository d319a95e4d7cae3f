from .named_weights import NamedWeights as NamedWeights
from .reading import read as read
from .start import starting_weights as starting_weights
from .writing import write as write
