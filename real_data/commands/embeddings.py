"""The command that embeds images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_pruning.arguments import check_integer
from data_pruning.command_line import table
from data_pruning.records.writable import check_folder
from real_data.commands.options import ImageOptions, Images, ModelOptions, cli, resolved
from real_data.embeddings.config import ContrastiveConfig
from real_data.embeddings.encoders import check_encoder

__all__ = ["embed"]


@cli.command
def embed(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    encoder: str = "contrastive",
    input_size: int = 128,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    num_steps: int = 4000,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    flip: bool | None = None,
    seed: int = 0,
    half: bool = False,
    out: Path = Path("results/embeddings"),
    quiet: bool = False,
) -> None:
    """Embed the images of a data set; writes OUT/DATASET.npy (training images), OUT/DATASET-test.npy, OUT/DATASET.json.

    Run again after Ctrl-C to continue.  OUT/DATASET.json says what the rows are of, and how often ten nearest
    neighbours are right by them, by the pixels and by the network before its training.

    Args:
        images: the images.
        encoder: contrastive, trained here on the training images without their labels (SimCLR); network:RUN, the first
            network of a folder of the command train; package:efficientnet-lite0, learned on ImageNet with its labels,
            of the extra efficientnet.
        input_size: height and width of the images that the package's network gets.
        model: network of the contrastive encoder; a cnn of width 0.5, unless something else is given.
        num_steps: steps of its training.
        batch_size: images per step, each seen twice.
        learning_rate: its highest learning rate.
        flip: whether its views are mirrored; None is as the recipe of the data set.
        seed: of its training.
        half: write float16, half as large.
        out: folder for the files.
        quiet: no progress bar.
    """
    check_encoder(encoder)
    check_folder("out", out)
    mirrored = "flip" in images.chosen_recipe.training.augmentation if flip is None else flip
    network = resolved(ContrastiveConfig().model, model)
    config = ContrastiveConfig(network, num_steps, batch_size, learning_rate, flip=mirrored)
    check_integer("seed", seed, 0, 2**32 - 1)
    check_integer("input_size", input_size, 32)
    from real_data.embeddings.embedding import embed_images
    from real_data.embeddings.encoders import encoder_of

    data = images.load()
    name = images.dataset
    training = out / f"{name}-encoder"
    chosen = encoder_of(
        encoder,
        data,
        contrastive=config,
        input_size=input_size,
        seed=seed,
        folder=training,
        progress=not quiet,
    )
    about = embed_images(data, chosen, out / name, half=half, progress=not quiet)
    _say(about)
    print(f"saved in {out / name}.npy, {name}-test.npy and {name}.json")


def _say(about: dict[str, Any]) -> None:
    """The accuracy of nearest neighbours by the encoder, and by what it should be better than."""
    accuracy = about["accuracy"]
    rows = []
    for name in ("encoder", "pixels", "untrained"):
        if name in accuracy:
            value, low, high = accuracy[name]
            lead = accuracy.get(f"encoder_above_{name}")
            led = "" if lead is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*lead)
            rows.append([name, f"{value:.3f} [{low:.3f}, {high:.3f}]", led])
    print(
        f"{accuracy['num_neighbours']} nearest of {accuracy['num_known']:,} training images, "
        f"{accuracy['num_queries']:,} test images:"
    )
    print(table(["features", "right, with 95 %", "lead of the encoder"], rows))
    if about["used_labels"]:
        print("labels took part in the training of this encoder: scores by it are not self-supervised")
