"""Published numbers on public tables, which are not ours to hand on: set SCALING_LAW_TABLES to a folder that has them.

``benchmarks/learning_curves.py`` says which they are and where they come from.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from scaling_laws.benchmark import COMBINED, curves_of, run_benchmark
from scaling_laws.fitting import fit_law
from scaling_laws.tables import read_columns

FOLDER = os.environ.get("SCALING_LAW_TABLES")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="SCALING_LAW_TABLES names no folder with the public tables")


def test_chinchilla_is_reproduced():
    """Besiroglu et al. 2024: A 477.8, B 2143, E 1.8172, alpha 0.3473, beta 0.3672, Huber sum 0.0010183."""
    columns = read_columns(Path(FOLDER) / "chinchilla.csv", ["training_tokens", "model_size"], "loss")
    tokens, size, loss = columns.values()
    kept = np.argsort(tokens / size)[5:]
    scales = {"training_tokens": tokens[kept], "model_size": size[kept]}
    fit = fit_law("additive", scales, loss[kept], huber=1e-3, intervals="none")
    published = {
        "data_coefficient": 2143,
        "data_exponent": 0.3672,
        "size_coefficient": 477.8,
        "size_exponent": 0.3473,
        "constant": 1.8172,
    }
    assert fit.parameters == pytest.approx(published, rel=5e-4)
    assert fit.cost == pytest.approx(0.0010183, abs=1e-6)


def test_curves_of_the_public_benchmark():
    """0.0332 is the best single form of before; a forecast by four laws together is at least a fifth below it."""
    tables = [Path(FOLDER) / f"benchmark.{name}.csv" for name in ("vision", "lang")]
    found = run_benchmark(*curves_of(tables, "Seen Examples", "Loss", ["Domain", "Task", "Model"], "Training"), ["m3"])
    assert len(found.curves) == 92
    rms = dict(zip(found.forms, found.rms.mean(axis=1), strict=True))
    assert rms["m3, weight n"] < 0.0332
    assert rms[COMBINED] < 0.8 * 0.0332
    assert found.coverage[0.95].mean() > 0.92
