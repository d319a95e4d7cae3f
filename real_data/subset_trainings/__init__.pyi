from .outcomes import SubsetOutcomes as SubsetOutcomes
from .packing import PackedBits as PackedBits
from .rates import Rates as Rates
from .rates import measured_rates as measured_rates
from .settings import SubsetTrainings as SubsetTrainings
from .trainings import train_on_subsets as train_on_subsets
