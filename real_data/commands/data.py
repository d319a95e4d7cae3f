"""The command that downloads data sets."""

from __future__ import annotations

import tyro

from real_data.commands.options import cli

__all__ = ["download"]


@cli.command
def download(dataset: tyro.conf.Positional[str]) -> None:
    """Download the files of a data set, check them against their published checksums, and say where they are.

    The data sets have licences and conditions of their own.

    Args:
        dataset: fashion-mnist, cifar10, cifar100, svhn or svhn-extra; imagenet must be fetched from its own site.
    """
    from real_data.datasets import data_folder, load

    if dataset == "digits":
        print("digits: nothing to download, they come with scikit-learn")
        return
    if dataset == "folder":
        raise ValueError("folder stands for images of your own: there is nothing to download")
    data = load(dataset, download=True)
    sizes = f"{len(data.train_labels)} training and {len(data.test_labels)} test images"
    print(f"{dataset}: {sizes} in {data_folder()}")
