"""An experiment of seconds, which several test files run."""

from real_data import Experiment, ScoreConfig, TrainingConfig, run_experiment

SCORING = TrainingConfig(num_steps=5)
TINY = Experiment(
    rules=("hard", "easy", "random"),
    fractions=(0.3, 1.0),
    pool_sizes=(300,),
    num_seeds=2,
    scores=(ScoreConfig("el2n", 2, SCORING),),
    retraining=TrainingConfig(num_steps=15),
)
NAMES = ("errors", "num_kept", "mean", "standard_error", "errors_all", "mean_all", "standard_error_all")


def run(config, out=None, **settings):
    return run_experiment(config, out=out, progress=False, **settings)
