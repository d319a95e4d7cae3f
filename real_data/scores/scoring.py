"""Scoring a data set: each family of scores trains or computes what it needs, all metrics of a family at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_integer
from data_pruning.records.settings import digest_of, to_json
from real_data import models
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.scores.course import OF_EPOCHS, Course, check_epochs
from real_data.scores.families import FAMILIES, OF_WHOLE_POOL, family_of
from real_data.scores.network_scores import OF_LOGITS, scores_of_networks
from real_data.scores.request import Found, ScoreRequest
from real_data.scores.score_file import Scores, settings_of
from real_data.scores.subset_scores import check_subset_scores, score_on_subsets
from real_data.training.config import TrainingConfig
from real_data.training.train import Model, TrainedNetworks, train

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.training.start import Start

__all__ = ["el2n", "score", "score_all", "scores_of_networks"]


def score(
    dataset: ImageDataset,
    config: ScoreConfig,
    *,
    model: ModelConfig,
    seed: int = 0,
    batch_size: int = 1024,
    start: Start | None = None,
    progress: bool = False,
) -> Scores:
    """How difficult each training example of a data set is.

    The networks are trained on all training examples; they differ by initial weights and order of batches.  The score
    of an example is the mean over networks of, by ``config.metric``:

    * ``el2n``: length of the error vector, |softmax(f(x)) - onehot(y)| (Paul et al. 2021); see :func:`error_norm`;
    * ``grand``: length of the gradient of its loss (Paul et al. 2021); see :func:`gradient_norm`;
    * ``forgetting``: number of times that it is forgotten in training (Toneva et al. 2019); see
      :func:`forgetting_events`;
    * ``margin``: largest probability of another class minus the probability of its class; see :func:`margin`;
    * ``confidence``: one minus the probability of its class; see :func:`confidence`;
    * ``prototypes``: cosine distance of its features to the mean of its class (Sorscher et al. 2022); see
      :func:`prototype_distance`;
    * ``moderate``: distance of its features to the median of its class (Xia et al. 2023); see
      :func:`median_distance`;
    * ``aum``: minus the margin of the logits, mean over epochs (Pleiss et al. 2020); see :func:`area_under_margin`;
    * ``dyn-unc``, ``tdds``, ``dual``: how much its probabilities move in windows of ten epochs (He et al. 2024, Zhang
      et al. 2024, Cho et al. 2025); see :func:`dynamic_uncertainty`, :func:`temporal_dual_depth` and
      :func:`difficulty_and_uncertainty`;
    * ``random``: uniform in [0, 1), without any network.

    Others come from networks that are each trained on the share ``config.subset_share`` of the images, all from the
    same trainings; but for the first three they are means over the networks that have not seen the example:

    * ``memorization``: how much better networks that have seen it do on it than others (Feldman and Zhang 2020); see
      :func:`memorization`;
    * ``influence-max``, ``influence-sum``: what it does to the answers about test images, the largest and the sum of
      |influence| (Feldman and Zhang 2020); see :func:`influence`;
    * ``ddd``, ``consistency``: share of them that are wrong about it (Meding et al. 2022, Jiang et al. 2021), the same
      numbers, where ``ddd`` asks for networks of several kinds; see :func:`held_out_disagreement`;
    * ``entropy``, ``mutual-information``, ``variation-ratio``: their uncertainty about it, whatever its label (Chitta
      et al. 2021); see :mod:`real_data.scores.uncertainty`;
    * ``el2n-held-out``, ``margin-held-out``: as ``el2n`` and ``margin``.

    All but ``forgetting`` and the scores of every epoch (``aum`` and those below it) look at the networks at the end of
    their training; all but ``forgetting`` without augmentation.

    Args:
        dataset: its training images and labels are scored.
        config: metric, number of networks and their training.
        model: the networks.
        seed: non-negative integer, for initial weights and order of batches of all networks.
        batch_size: images scored at a time; does not change the scores beyond float32 rounding.
        start: what the networks start from, see :class:`real_data.training.start.Start`; None is random weights.
        progress: show a progress bar on stderr.

    Returns:
        Scores, higher = harder, float64, in data-set order.

    Raises:
        ValueError: images that are not finite, a training too short for ``forgetting``, or ``batch_size`` below 1.
        FloatingPointError: a training diverged, or a score is not finite.
        RuntimeError: a network is no better than the most frequent class of its training images.
    """
    settings: dict[str, Any] = {"batch_size": batch_size, "start": start, "progress": progress}
    return score_all(dataset, [config], model=model, seed=seed, **settings)[0]


def score_all(
    dataset: ImageDataset,
    configs: Sequence[ScoreConfig],
    *,
    model: ModelConfig | Sequence[ModelConfig],
    seed: int = 0,
    batch_size: int = 1024,
    folder: str | os.PathLike[str] | None = None,
    test_images: bool = False,
    executor: Any = None,
    source: Callable[[], ImageDataset] | None = None,
    start: Start | None = None,
    start_source: Callable[[], Start] | None = None,
    progress: bool = False,
) -> list[Scores]:
    """Several scores of a data set; those with the same training and number of networks share the networks.

    Each is the same, bit for bit, as :func:`score` of its own settings with the same seed.

    Args:
        dataset: its training images and labels are scored.
        configs: settings of each score.
        model: the networks; several kinds, which take turns, for the scores of subset trainings.
        seed: non-negative integer.
        batch_size: images scored at a time.
        folder: where the networks in training keep their checkpoints, and the subset trainings what is finished; None
            keeps none.
        test_images: whether test images are scored as well, by the scores that can: those of logits, and of subset
            trainings those that are means over networks that have not seen the example.
        executor: runs the subset trainings, see :func:`real_data.subset_trainings.train_on_subsets`; None runs them
            here.
        source: loads the data set on the workers of the executor; None sends it to them.
        start: what the networks, of one kind, start from; None is random weights.
        start_source: loads the start on the workers of the executor; None sends it to them.
        progress: show a progress bar on stderr.

    Returns:
        Scores in the order of ``configs``.

    Raises:
        ValueError: see :func:`score`.
        FloatingPointError, RuntimeError: see :func:`score`.
    """
    check_integer("seed", int(seed), 0)
    check_integer("batch_size", batch_size, 1)
    _check_data(dataset.train_images, np.asarray(dataset.train_labels), dataset.num_classes)
    kinds = (model,) if isinstance(model, ModelConfig) else tuple(model)
    where = None if folder is None else Path(folder)
    if start is not None and len(kinds) > 1:
        raise ValueError(f"networks that start from weights must be of one kind, got {len(kinds)} models")
    about = (test_images, executor, source, progress, start, start_source)
    request = ScoreRequest(dataset, kinds, int(seed), batch_size, where, *about)
    for config in configs:
        if config.metric == "forgetting":
            _check_forgetting(config.training, len(dataset.train_labels))
        if config.metric in OF_EPOCHS:
            check_epochs(config.metric, config.training, len(dataset.train_labels))
    check_subset_scores(dataset, kinds, request.seed, configs)
    # what is refused comes first
    families = ((("embeddings",), _of_embeddings), (OF_WHOLE_POOL, _of_whole_pool), (("subsets",), score_on_subsets))
    found: dict[ScoreConfig, Found] = {}
    for config in configs:
        if config.metric == "random":
            found[config] = Found(_uniform(seed, len(dataset.train_labels)))
    for names, function in families:
        wanted = list(dict.fromkeys(config for config in configs if family_of(config.metric) in names))
        if wanted:
            found |= function(request, wanted)

    def result(config: ScoreConfig) -> Scores:
        values, seeds, tests, standard_error, floor, notes = found[config]
        settings = settings_of(config, model, seed, start_sha256=None if start is None else start.digest)
        about = (dataset.name, dataset.train_fingerprint, settings, seeds, (*dataset.notes, *notes))
        return Scores(config.metric, values, *about, tests, standard_error, floor)

    return [result(config) for config in configs]


def _of_whole_pool(request: ScoreRequest, configs: Sequence[ScoreConfig]) -> dict[ScoreConfig, Found]:
    """Scores of networks that are trained on the whole pool; those of equal trainings share them."""
    dataset, model = request.dataset, request.model
    images, labels = dataset.train_images, np.asarray(dataset.train_labels)
    shared: dict[tuple[int, TrainingConfig], dict[str, list[ScoreConfig]]] = {}
    for config in configs:
        key = config.num_networks, config.training
        shared.setdefault(key, {}).setdefault(config.metric, []).append(config)
    found: dict[ScoreConfig, Found] = {}
    for (num_networks, training), of_metric in shared.items():
        metrics, seeds = of_metric.keys(), _seeds(request.seed, num_networks)
        course = Course.of(metrics, images, labels, request.batch_size)
        own = [*([] if course is None else course.metrics), *([] if request.start is None else [request.start.digest])]
        job = digest_of([num_networks, to_json(training), *own])
        networks = train(
            models.build(model, images.shape[1:], dataset.num_classes),
            images,
            labels,
            [np.arange(len(labels))] * num_networks,
            seeds=seeds,
            config=training,
            folder=None if request.folder is None else request.folder / job,
            observation=course,
            start=request.start,
            progress=request.progress,
        )
        _check_learned(networks, training)
        of_each = scores_of_networks(networks, metrics, images, labels, batch_size=request.batch_size)
        of_tests: dict[str, NDArray[np.float64]] = {}
        if request.test_images:
            tests, wanted = (dataset.test_images, dataset.test_labels), metrics & OF_LOGITS.keys()
            of_tests = scores_of_networks(networks, wanted, *tests, batch_size=request.batch_size)
        for metric, of_networks in of_each.items():
            test_values = of_tests[metric].mean(axis=0) if metric in of_tests else None
            error = of_networks.std(axis=0, ddof=1) / np.sqrt(num_networks) if num_networks > 1 else None
            one = Found(of_networks.mean(axis=0), tuple(seeds), test_values, error)
            found |= dict.fromkeys(of_metric[metric], one)
    return found


def _of_embeddings(request: ScoreRequest, configs: Sequence[ScoreConfig]) -> dict[ScoreConfig, Found]:
    """Refused: embeddings are files, which settings of experiments do not name."""
    raise ValueError(
        f"{', '.join(FAMILIES['embeddings'])} needs embeddings: python -m real_data embed makes them, score --metrics "
        "ssl-prototypes --embeddings FILE scores by them, and its file goes to run and benchmark as any other"
    )


def el2n(
    model: Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    config: TrainingConfig,
    num_networks: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
) -> NDArray[np.float64]:
    """EL2N: length of the error vector early in training, averaged over several networks.

    The score of an example (x, y) is the mean of |softmax(f(x)) - onehot(y)| over networks f that differ by
    initial weights and order of batches, each trained briefly on all examples.  It is :func:`score` for any network
    and bare arrays.

    Source: Paul, Ganguli, Dziugaite, *Deep Learning on a Data Diet* (NeurIPS 2021), section 2; averaging over
    ten networks after a few epochs is theirs too.

    Args:
        model: builds one network; see :data:`real_data.training.train.Model`.
        images: shape (num_images, height, width, channels), uint8 or float32.
        labels: classes, integers of shape (num_images,).
        config: training of the networks; few steps.
        num_networks: number of networks, at least 1.
        seed: non-negative integer, for initial weights and order of batches of all networks.
        batch_size: images scored at a time; does not change the scores beyond float32 rounding.

    Returns:
        Scores in [0, sqrt 2], higher = harder, in the order of ``images``, shape (num_images,).

    Raises:
        ValueError: ``num_networks`` or ``batch_size`` below 1, images that are not finite or labels out of range.
        FloatingPointError: a network diverged in training.
    """
    check_integer("num_networks", num_networks, 1)
    check_integer("seed", int(seed), 0)
    check_integer("batch_size", batch_size, 1)
    labels = np.asarray(labels)
    _check_data(images, labels)
    everything = [np.arange(len(images))] * num_networks
    networks = train(model, images, labels, everything, seeds=_seeds(seed, num_networks), config=config)
    return scores_of_networks(networks, ["el2n"], images, labels, batch_size=batch_size)["el2n"].mean(axis=0)


def _seeds(seed: int, num_networks: int) -> list[int]:
    """One seed per network, independent of one another."""
    return np.random.SeedSequence(seed).generate_state(num_networks).tolist()


def _uniform(seed: int, num_examples: int) -> NDArray[np.float64]:
    # a child of the seed, so that the numbers are independent of the networks of other metrics
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,))).random(num_examples)


def _check_forgetting(training: TrainingConfig, num_examples: int) -> None:
    """Refuse, before any training, one too short to present every example twice."""
    presented = training.steps_for(num_examples) * training.batch_size
    if presented < 2 * num_examples:
        raise ValueError(
            f"forgetting needs every example to be presented at least twice in training, at least "
            f"{2 * num_examples} presentations, but num_steps times batch_size is {presented}: raise num_steps or "
            f"num_epochs"
        )


def _check_learned(networks: TrainedNetworks, training: TrainingConfig) -> None:
    """Refuse scores of networks that know nothing of the images."""
    failed = np.flatnonzero(~networks.learned)
    if failed.size:
        i = failed[0]
        raise RuntimeError(
            f"{failed.size} of {networks.num_networks} networks that score are no better than the most frequent class "
            f"of their training images (the first: {100 * networks.training_errors[i]:.1f} % error, the class alone "
            f"{100 * (1 - networks.most_frequent[i]):.1f} %), so that their scores mean nothing. Train the scoring "
            f"networks longer (num_steps, {networks.losses.shape[1]} now) or at another learning_rate "
            f"({training.learning_rate:g} now): of --scoring, or of --training in the command score"
        )


def _check_data(images: np.ndarray, labels: np.ndarray, num_classes: int | None = None) -> None:
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not labels.size:
        raise ValueError(
            f"labels must be {len(images)} integers, one per image, got {labels.dtype} of shape {labels.shape}"
        )
    most = num_classes or int(labels.max()) + 1
    if labels.min() < 0 or labels.max() >= most:
        raise ValueError(f"labels must lie in [0, {most}), got {labels.min()} to {labels.max()}")
    if images.dtype.kind == "f":
        finite = np.all(np.isfinite(images), axis=(1, 2, 3))
        if not finite.all():
            bad = np.flatnonzero(~finite)
            raise ValueError(
                f"images must be finite, but {bad.size} of {len(images)} have a pixel that is not: the first is "
                f"image {bad[0]}"
            )
