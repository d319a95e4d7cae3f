"""The command that judges scores of difficulty by labels of people."""

from __future__ import annotations

from pathlib import Path

import tyro

from data_pruning.records.writable import check_folder
from real_data.commands.options import ImageFileOptions, ImageFiles, cli

__all__ = ["judge"]


@cli.command
def judge(
    scores: tyro.conf.Positional[tuple[Path, ...]],
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    human_labels: Path | None = None,
    reference: Path | None = None,
    human_counts: Path | None = None,
    test_labels: Path | None = None,
    out: Path = Path("results/judgement"),
) -> None:
    """Judge scores by labels of people: do they agree on what is hard, and do they find wrong labels?

    Under right labels the question is whether people find hard what networks do; under labels of people (a data set
    that has them) whether a score finds the wrong ones.  Prints rank correlations and areas under the curve with 95 %
    intervals over images; writes OUT/DATASET-judgement.nc.

    Args:
        scores: files that ``score`` wrote, for the same data set.
        images: the images that were scored.
        human_labels: .npz file with clean and any of aggregate, random1, random2, random3, worst (the names of
            CIFAR-10N) for the training images in the original order; for a folder train/CLASS/NUMBER.jpg, or
            train/OTHER/CLASS-NUMBER.jpg, also classes and file_number.
        reference: .npz file in the same order with published scores, high for easy images, and labels, the right ones:
            a row of its own.
        human_counts: .npy file with votes on the test images in the original order, a column for each class
            (CIFAR-10H).
        test_labels: .npy file with the classes of the test images in the original order; needed for a folder.
        out: folder for the results.
    """
    from real_data.benchmark.human_labels import human_errors_of_tests, read_human_labels, reference_scores
    from real_data.benchmark.judgement import judge, judgement_table
    from real_data.scores import Scores

    if human_labels is None and human_counts is None:
        raise ValueError("give --human-labels, for the training images, or --human-counts, for the test images")
    if reference is not None and human_labels is None:
        raise ValueError("--reference needs --human-labels")
    if test_labels is not None and human_counts is None:
        raise ValueError("--test-labels needs --human-counts")
    if not scores:
        raise ValueError("scores must be at least one file")
    check_folder("out", out)
    data = images.load()
    found = [Scores.load(path, data) for path in scores]
    labels = None if human_labels is None else read_human_labels(human_labels, data)
    references = {}
    if reference is not None and labels is not None:
        references[f"reference {reference.stem}"] = reference_scores(reference, labels)
    errors = None if human_counts is None else human_errors_of_tests(human_counts, test_labels, data)
    results = judge(found, labels, references=references, test_errors=errors)
    print(judgement_table(results))
    print(f"saved in {results.save(out / f'{images.dataset}-judgement.nc')}")
