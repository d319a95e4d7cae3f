"""A transfer study of seconds: handwritten digits, and the same divided otherwise as the target."""

from real_data import ImageSet, ModelConfig, ScoreConfig, TrainingConfig, Transfer, measure_transfer

SCORING = TrainingConfig(num_steps=20)
TINY = Transfer(
    source=ImageSet("digits"),
    target=ImageSet("digits", split_seed=1),
    scores=(ScoreConfig("el2n", 2, SCORING), ScoreConfig("margin", 2, SCORING)),
    rules=("hard",),
    fractions=(0.3, 1.0),
    target_sizes=(50, 100),
    num_pretrainings=2,
    num_fine_tunings=(3, 2),
    num_tests=300,
    model=ModelConfig("mlp", hidden=(16,)),
    pretraining=TrainingConfig(num_steps=100),
    fine_tuning=TrainingConfig(num_steps=20),
    probe=TrainingConfig(num_steps=30),
)


def measure(config, out, **settings):
    return measure_transfer(config, out=out, progress=False, **settings)
