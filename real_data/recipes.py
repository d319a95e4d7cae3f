"""Recipes: the settings of network, training and scoring that are known to work on a kind of images, by name.

What a recipe reaches was measured with this package where it says so (two CPU cores, Python 3.11, jax 0.10); what was
not says that too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from data_pruning.arguments import check_choice
from real_data.models.config import LEAST_FOR_PATCHES, ModelConfig
from real_data.training.config import TrainingConfig

__all__ = ["RECIPES", "Recipe", "default_recipe", "pilot_network", "recipe_named"]


@dataclass(frozen=True)
class Recipe:
    """Settings that belong together.

    Attributes:
        name: how the option ``--recipe`` calls it.
        images: the images that it is for.
        model: the network.
        training: its training on the images that are kept.
        scoring: the training of the networks that score; short (Paul et al. 2021).
        source: where the settings come from.
        reach: what test error to expect, and whether that was measured with this package.
        pilot: the network that :func:`real_data.recommend` tries rules on; None is ``model``.
    """

    name: str
    images: str
    model: ModelConfig
    training: TrainingConfig
    scoring: TrainingConfig
    source: str
    reach: str
    pilot: ModelConfig | None = None

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.images}", f"  from: {self.source}", f"  to reach: {self.reach}"]
        if self.pilot is not None:
            lines.append(f"  recommend and learn-rule try rules on: {self.pilot.kind}")
        return "\n".join(lines)


_CIFAR = TrainingConfig(
    num_steps=None, num_epochs=200, batch_size=128, warmup=0.02, gradient_clip=None, augmentation="crop_flip"
)
_TEN_EPOCHS = TrainingConfig(
    num_steps=None, num_epochs=10, batch_size=128, gradient_clip=None, augmentation="crop_flip", schedule="constant"
)
_ADAMW = TrainingConfig(
    num_steps=None,
    num_epochs=200,
    batch_size=128,
    learning_rate=5e-4,
    warmup=0.05,
    weight_decay=0.05,
    augmentation="crop_flip",
    optimizer="adamw",
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "digits",
            "handwritten digits of 8 x 8 pixels, from scikit-learn",
            ModelConfig("mlp"),
            TrainingConfig(),
            TrainingConfig(num_steps=50),
            "chosen here, on seeds that the tables of the guides use too",
            "mlp 2.4 % with all 1,200 images (measured)",
        ),
        Recipe(
            "fashion-mnist",
            "grey images of clothes, 28 x 28 pixels",
            ModelConfig("mlp"),
            TrainingConfig(num_steps=1600),
            TrainingConfig(num_steps=200),
            "chosen here, on 16,000 training images",
            "with 16,000 images mlp 13.5 %, cnn 9.3 % (measured)",
        ),
        Recipe(
            "photographs",
            "small photographs of anything, hundreds to thousands: what is used for a folder of your own images",
            ModelConfig("mlp"),
            TrainingConfig(augmentation="crop_flip"),
            TrainingConfig(num_steps=50),
            "chosen here, on four classes of CIFAR-10, 250 images each",
            "on these 1,000 images mlp 42 %, cnn 30 % (chance 75 %; measured)",
            pilot=ModelConfig("patch-features"),
        ),
        Recipe(
            "resnet18-cifar10",
            "CIFAR-10 and CIFAR-100, all 50,000 images",
            ModelConfig("resnet18"),
            _CIFAR,
            _TEN_EPOCHS,
            "the network of Sorscher et al. 2022; SGD as customary for it: batch 128, rate 0.1, weight decay 5e-4, 200 "
            "epochs, shifts and mirror images; scores after ten epochs as Paul et al. 2021",
            "not measured here: it takes hours on a GPU, days on CPUs",
        ),
        Recipe(
            "resnet18-svhn",
            "SVHN, house numbers: no mirror images",
            ModelConfig("resnet18"),
            TrainingConfig(
                num_steps=None, num_epochs=100, batch_size=128, warmup=0.02, gradient_clip=None, augmentation="crop"
            ),
            TrainingConfig(num_steps=None, num_epochs=10, batch_size=128, gradient_clip=None, schedule="constant"),
            "the network of Sorscher et al. 2022; SGD as for CIFAR-10, mirror images left out",
            "not measured here",
        ),
        Recipe(
            "vit-s-cifar10",
            "CIFAR-10 and CIFAR-100, all 50,000 images, from random weights",
            ModelConfig("vit-s"),
            _ADAMW,
            replace(_ADAMW, num_epochs=10, warmup=0.1, schedule="constant"),
            "Dosovitskiy et al. 2021, patches of 4 x 4 pixels; AdamW with the weight decay, cosine and rate of Touvron "
            "et al. 2021 (DeiT; there for batches of 512, here of 128), gradients cut to length 1 as in the former; of "
            "DeiT's augmentation only shifts and mirror images; scores after ten epochs as Paul et al. 2021",
            "not measured here: it takes hours on a GPU, days on CPUs",
        ),
        Recipe(
            "resnet50-imagenet",
            "ImageNet, 224 x 224 pixels",
            ModelConfig("resnet50"),
            TrainingConfig(
                num_steps=None,
                num_epochs=90,
                batch_size=256,
                schedule="step",
                warmup=0.05,
                weight_decay=1e-4,
                gradient_clip=None,
                augmentation="crop_flip",
            ),
            TrainingConfig(
                num_steps=None,
                num_epochs=10,
                batch_size=256,
                schedule="constant",
                weight_decay=1e-4,
                gradient_clip=None,
                augmentation="crop_flip",
            ),
            "He et al. 2016: batch 256, rate 0.1 divided by ten twice, weight decay 1e-4",
            "not measured here: it takes days on a GPU",
        ),
    )
}
"""All recipes by name."""


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: there is none; the message lists them.
    """
    check_choice("recipe", name, tuple(RECIPES))
    return RECIPES[name]


def pilot_network(recipe: Recipe, image_shape: tuple[int, ...]) -> ModelConfig:
    """The network that rules are tried on, for images of this height, width and number of channels.

    Images too small for patches have the network of the recipe.
    """
    if recipe.pilot is None or (recipe.pilot.kind == "patch-features" and min(image_shape[:2]) < LEAST_FOR_PATCHES):
        return recipe.model
    return recipe.pilot


def default_recipe(dataset: str) -> Recipe:
    """The recipe for a data set of :func:`real_data.datasets.load`: its own where it has one, else photographs.

    That of the large networks is never the default, as it takes a GPU.
    """
    return RECIPES.get(dataset, RECIPES["photographs"])
