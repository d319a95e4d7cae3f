"""The digits experiment: score, prune, retrain, test; for several rules, fractions and seeds."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, Results, apportionment, keep_rules
from perceptron_theory.results import stored
from real_data import datasets, models, pruning, scores, training
from real_data.config import DigitsExperiment
from real_data.training import Model

__all__ = ["run_experiment"]

_RULES = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}


def run_experiment(
    config: DigitsExperiment, *, out: str | os.PathLike[str] | None = None, progress: bool = True
) -> Results:
    """Measure test error against the number of examples kept.

    With ``out``, every finished seed is saved at once, in ``out/seeds``, under a name that contains a hash
    of all that determines it (settings, data, software, device).  When interrupted, the same call continues
    after the last finished seed, and the result is the same bit for bit.

    Args:
        config: the settings.
        out: folder for ``digits.nc`` and ``seeds/``; None saves nothing.
        progress: show a progress bar on stderr.

    Returns:
        Errors as fractions: ``errors`` (rule, fraction, seed), their ``mean`` and ``standard_error`` over
        seeds (rule, fraction), ``num_kept`` (rule, fraction, seed); ``errors_all`` (seed), ``mean_all`` and
        ``standard_error_all`` of the whole training pool; coordinates ``rule``, ``fraction``, ``seed``.
        The result's ``config`` holds what is needed to compute it again.

    Raises:
        ValueError: a fraction so small that a class would be left empty, or a damaged file in ``out/seeds``.
        FloatingPointError: a training diverged.
        KeyboardInterrupt: interrupted; the message says which seeds are saved.
    """
    folder = None if out is None else Path(out)
    model = _model(tuple(config.hidden))
    finished: list[Results] = []
    try:
        for seed in tqdm(config.seeds, desc="digits", unit="seed", disable=not progress):
            finished.append(_saved_or_run(config, seed, model, folder))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_what_is_saved(config, len(finished), folder)) from None
    results = _assembled(config, finished)
    if folder is not None:
        results.save(folder / "digits.nc")
    return results


@cache  # one object for equal settings, so that JAX compiles once
def _model(hidden: tuple[int, ...]) -> Model:
    return partial(models.MLP, 64, 10, hidden)


def _saved_or_run(config: DigitsExperiment, seed: int, model: Model, folder: Path | None) -> Results:
    data = datasets.load_digits(seed, num_train=config.num_train)
    provenance = _provenance(config, seed, data.fingerprint)
    if folder is None:
        return _run_seed(config, seed, model, data, provenance)
    return stored(
        folder / "seeds", f"seed-{seed}", provenance, lambda: _run_seed(config, seed, model, data, provenance)
    )


def _run_seed(
    config: DigitsExperiment, seed: int, model: Model, data: datasets.ImageDataset, provenance: dict[str, Any]
) -> Results:
    """All cells of one seed: score the training pool, prune it for every cell, train all cells at once."""
    images, labels = data.train_images, data.train_labels
    # independent of one another and of the split, which took the bare seed
    score_seed, prune_seed, train_seed = np.random.SeedSequence(seed).generate_state(3).tolist()
    difficulty = scores.el2n(
        model, images, labels, config=config.scoring, num_networks=config.num_score_networks, seed=score_seed
    )
    subsets = [
        pruning.prune(difficulty, _RULES[rule](f), labels, min_class_share=config.min_class_share, seed=prune_seed)
        for rule in config.rules
        for f in config.fractions
    ]
    subsets.append(np.arange(labels.size))
    networks = training.train(
        model, images, labels, subsets, seeds=[train_seed] * len(subsets), config=config.retraining
    )
    errors = networks.errors(data.test_images, data.test_labels)
    shape = (len(config.rules), len(config.fractions))
    results = Results(f"Digits experiment, seed {seed}", provenance)
    cells = ("rule", "fraction")
    results.add("errors", cells, errors[:-1].reshape(shape), "1", "test error, fraction of test images")
    results.add("num_kept", cells, np.reshape([s.size for s in subsets[:-1]], shape), "1", "examples kept")
    results.add("errors_all", (), errors[-1], "1", "test error after training on the whole pool")
    return results


def _assembled(config: DigitsExperiment, finished: list[Results]) -> Results:
    first = finished[0].config
    results = Results(
        "Test error of a small network on handwritten digits, against the number of training examples kept",
        {
            "experiment": _as_json(asdict(config)),
            "dataset": [result.config["dataset"] for result in finished],
            "software": first["software"],
            "device": first["device"],
        },
    )
    results.add("rule", "rule", list(config.rules), "", "keep rule; difficulty is EL2N")
    results.add("fraction", "fraction", list(config.fractions), "1", "fraction of the training pool kept, f")
    results.add("seed", "seed", list(config.seeds), "1", "seed of split, scores and training")
    cells, runs = ("rule", "fraction"), ("rule", "fraction", "seed")
    root = math.sqrt(len(finished))
    errors = np.stack([result["errors"] for result in finished], axis=-1)
    num_kept = np.stack([result["num_kept"] for result in finished], axis=-1)
    results.add("num_kept", runs, num_kept, "1", "number of training examples kept")
    results.add("errors", runs, errors, "1", "test error, fraction of test images classified wrongly")
    results.add("mean", cells, errors.mean(axis=-1), "1", "mean of errors over seeds")
    results.add("standard_error", cells, errors.std(axis=-1, ddof=1) / root, "1", "standard error of mean")
    whole = np.stack([result["errors_all"] for result in finished])
    results.add("errors_all", "seed", whole, "1", "test error after training on the whole pool (f = 1)")
    results.add("mean_all", (), whole.mean(), "1", "mean of errors_all over seeds")
    results.add("standard_error_all", (), whole.std(ddof=1) / root, "1", "standard error of mean_all")
    return results


def _provenance(config: DigitsExperiment, seed: int, fingerprint: str) -> dict[str, Any]:
    """All that determines the numbers of one seed, as a JSON value."""
    settings = asdict(config)
    # how many other seeds are run, and which, does not matter to this one
    del settings["num_seeds"], settings["first_seed"]
    source = hashlib.sha256()
    for module in (keep_rules, apportionment, datasets, models, pruning, scores, training):
        source.update(Path(str(module.__file__)).read_bytes())
    source.update(Path(__file__).read_bytes())
    packages = ("numpy", "jax", "jaxlib", "flax", "optax", "scikit-learn")
    return _as_json(
        {
            "experiment": settings,
            "seed": seed,
            "dataset": {"name": "digits", "split_seed": seed, "sha256": fingerprint},
            "software": {name: metadata.version(name) for name in packages} | {"source": source.hexdigest()},
            "device": jax.devices()[0].device_kind,
        }
    )


def _as_json(value: Any) -> Any:
    """``value`` as it comes back from a file: tuples become lists."""
    return json.loads(json.dumps(value))


def _what_is_saved(config: DigitsExperiment, num_finished: int, folder: Path | None) -> str:
    done = f"{num_finished} of {config.num_seeds} seeds finished"
    if folder is None:
        return f"{done}; nothing was saved, as no out folder was given"
    which = ", ".join(str(seed) for seed in config.seeds[:num_finished])
    return f"{done}, saved in {folder / 'seeds'}: {which or 'none'}. Run the same again to continue."
