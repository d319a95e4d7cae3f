from .outcomes import SubsetOutcomes as SubsetOutcomes
from .packing import PackedBits as PackedBits


from .settings import SubsetTrainings as SubsetTrainings
from .trainings import train_on_subsets as train_on_subsets
