import data_pruning

from .best_rule import OptimalFrontier as OptimalFrontier
from .best_rule import OptimalPolicy as OptimalPolicy
from .best_rule import best_window as best_window
from .best_rule import optimal_frontier as optimal_frontier
from .best_rule import optimal_policy as optimal_policy
from .compute_budget import ComputeOptimal as ComputeOptimal
from .compute_budget import Training as Training
from .compute_budget import compute_optimal as compute_optimal
from .derivatives import exponential_to_power_law as exponential_to_power_law
from .derivatives import scaling_exponent as scaling_exponent
from .features import Features as Features
from .features import PowerLawFeatures as PowerLawFeatures
from .features import SeenFeatures as SeenFeatures
from .frontier import Crossover as Crossover
from .frontier import Frontier as Frontier
from .frontier import crossover as crossover
from .frontier import pareto_frontier as pareto_frontier
from .labels import Labels as Labels
from .observables.error_spread import error_standard_deviation as error_standard_deviation
from .observables.margins import MarginDistribution as MarginDistribution
from .observables.margins import margin_distribution as margin_distribution
from .observables.version_space import information_gain as information_gain
from .rank_value import value_function as value_function
from .ridge import BestRidge as BestRidge
from .ridge import best_ridge as best_ridge
from .signed_margin import signed_margin_window as signed_margin_window
from .solution import Solution as Solution
from .solution import separability_threshold as separability_threshold
from .solution import solve as solve
from .sources import ErrorSources as ErrorSources
from .sources import bayes_error as bayes_error
from .sources import error_sources as error_sources
from .students import HingeLoss as HingeLoss
from .students import LogisticLoss as LogisticLoss
from .students import MaxMargin as MaxMargin
from .students import SquareLoss as SquareLoss
from .students import Student as Student

KeepByLabel = data_pruning.KeepByLabel
KeepCoverage = data_pruning.KeepCoverage
KeepEasy = data_pruning.KeepEasy
KeepHard = data_pruning.KeepHard
KeepMixture = data_pruning.KeepMixture
KeepPolicy = data_pruning.KeepPolicy
KeepProportional = data_pruning.KeepProportional
KeepRandom = data_pruning.KeepRandom
KeepRule = data_pruning.KeepRule
KeepWeighted = data_pruning.KeepWeighted
KeepWindow = data_pruning.KeepWindow
Results = data_pruning.Results
importance_weights = data_pruning.importance_weights
keep_rule = data_pruning.keep_rule
