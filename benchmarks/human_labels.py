"""CIFAR-10 as a folder of images under human labels (CIFAR-10N, Wei et al. 2022): train on them, test on clean ones.

    python benchmarks/human_labels.py cifar10 labels.npz worst cifar10n-worst

The folder has train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg; the file has, for the training images, ``clean``
and the human labels (``aggregate``, ``random1``, ``worst``) as numbers of ``classes``, and ``file_number``.  Images are
hard links.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np


def main(images: Path, labels: Path, which: str, out: Path) -> None:
    """Make the folder ``out``."""
    if out.exists():
        raise SystemExit(f"{out} exists already")
    with np.load(labels, allow_pickle=False) as file:
        classes = [str(name) for name in file["classes"]]
        clean, human, number = file["clean"], file[which], file["file_number"]
    for name in classes:
        (out / "train" / name).mkdir(parents=True)
        (out / "test" / name).mkdir(parents=True)
        for image in sorted((images / "test" / name).iterdir()):
            os.link(image, out / "test" / name / image.name)
    for true, given, n in zip(clean, human, number, strict=True):
        image = images / "train" / classes[true] / f"{int(n):04d}.jpg"
        os.link(image, out / "train" / classes[given] / f"{classes[true]}-{image.name}")
    print(f"{which}: {100 * np.mean(clean != human):.1f} % of {clean.size} labels are wrong; folder {out}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
