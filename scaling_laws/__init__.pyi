from .fitting import LawFit as LawFit
from .fitting import fit_law as fit_law
from .power_or_exponential.comparison import ScalingComparison as ScalingComparison
from .power_or_exponential.comparison import compare_scaling_laws as compare_scaling_laws
from .power_or_exponential.fit import fit_scaling_law as fit_scaling_law
from .power_or_exponential.laws import LAWS as LAWS
from .power_or_exponential.laws import ScalingFit as ScalingFit
