"""Spherical k-means beside scikit-learn and faiss on one core: seconds and inertia, in the same run.

    python benchmarks/k_means.py

Rows around planted directions (50,000 x 512 float32, 2,000 directions, so that no clustering is the right one) go into
1,000 clusters.  All begin at the same first centroids (``Lloyd``: as many iterations of each, no tolerance), and each
at its own (``whole``: greedy k-means++ here and in scikit-learn, rows at random in faiss).  Rounds are interleaved and
ratios taken within a round, in seconds of the processor.  scikit-learn gets rows of length 1 and is Euclidean; faiss
gets ``spherical=True`` and all rows (by default it would take 256 per centroid).  Quality is the sum over rows of 1 -
cosine to the nearest centroid, computed alike for all.

Measured once (one of two shared cores, a processor with AVX-512, scikit-learn 1.9.1, faiss-cpu 1.15.1, NumPy 2.4.6, 25
iterations, faiss's default).  The same first centroids: ours 7.4 s, scikit-learn 13.3 s, faiss 11.7 s; inertia 28,863
for ours and faiss, 30,085 for scikit-learn, whose centroids are not of length 1 while it iterates.  Each from its own
first centroids: 9.5 s, 41.3 s, 11.3 s; inertia 28,821, 29,824, 28,857.  With 10 iterations, in which nearly all
centroids move, ours takes 1.10 times the time of faiss (5.3 and 4.8 s) at equal inertia.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

PARSER = argparse.ArgumentParser(description=__doc__.splitlines()[0])
PARSER.add_argument("--rows", type=int, default=50_000)
PARSER.add_argument("--width", type=int, default=512)
PARSER.add_argument("--clusters", type=int, default=1000)
PARSER.add_argument("--iterations", type=int, default=25, help="iterations of Lloyd")
PARSER.add_argument("--rounds", type=int, default=3, help="interleaved repeats")
PARSER.add_argument("--json", type=Path, help="file that the numbers are written to as well")
OPTIONS = PARSER.parse_args() if __name__ == "__main__" else PARSER.parse_args([])
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before any library starts threads

import numpy as np  # noqa: E402

from real_data.embeddings.k_means import distances_to, k_means  # noqa: E402


def planted_rows(seed: int = 0) -> np.ndarray:
    """Rows of length 1 around more directions than there are clusters."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((2 * OPTIONS.clusters, OPTIONS.width), np.float32)
    rows = directions[rng.integers(len(directions), size=OPTIONS.rows)]
    rows += 1.5 * rng.standard_normal(rows.shape, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ours(rows: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Centroids of ``k_means``."""
    return k_means(rows, OPTIONS.clusters, start=start, max_iterations=OPTIONS.iterations, tolerance=0).centroids


def of_sklearn(rows: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Centroids of scikit-learn."""
    from sklearn.cluster import KMeans

    first = "k-means++" if start is None else start
    model = KMeans(OPTIONS.clusters, init=first, n_init=1, max_iter=OPTIONS.iterations, tol=0, random_state=0)
    return model.fit(rows).cluster_centers_


def of_faiss(rows: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Centroids of faiss."""
    import faiss

    faiss.omp_set_num_threads(1)
    settings = {"spherical": True, "niter": OPTIONS.iterations, "max_points_per_centroid": len(rows), "seed": 0}
    model = faiss.Kmeans(rows.shape[1], OPTIONS.clusters, **settings)
    model.train(rows, init_centroids=None if start is None else start.astype(np.float32))
    _, labels = model.index.search(rows, 1)  # the others assign the rows at the end too
    assert len(labels) == len(rows)
    return model.centroids


def main() -> None:
    """Print the table, and write it where it is wanted."""
    import warnings

    warnings.simplefilter("ignore")  # scikit-learn says that it has not converged
    tools: dict[str, Callable[[np.ndarray, np.ndarray | None], np.ndarray]] = {"ours": ours}
    for name, package, function in (("scikit-learn",) * 2 + (of_sklearn,), ("faiss", "faiss-cpu", of_faiss)):
        try:
            metadata.version(package)
            tools[name] = function
        except metadata.PackageNotFoundError:
            print(f"{name} is not installed: left out")
    rows = planted_rows()
    rng = np.random.default_rng(1)
    start = rows[rng.choice(len(rows), OPTIONS.clusters, replace=False)]
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for number in range(OPTIONS.rounds + 1):
        for kind, first in (("Lloyd", start), ("whole", None)):
            for name, function in tools.items():
                if number == 0:  # libraries are loaded
                    function(rows[: 2 * OPTIONS.clusters], first)
                    continue
                began = time.process_time()
                centroids = np.asarray(function(rows, first), np.float64)
                seconds = time.process_time() - began
                centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
                inertia = distances_to(centroids, rows)[1].sum()
                entry = found.setdefault(kind, {}).setdefault(name, {"seconds": [], "inertia": []})
                entry["seconds"].append(seconds)
                entry["inertia"].append(float(inertia))
    print(f"{OPTIONS.rows} x {OPTIONS.width}, {OPTIONS.clusters} clusters, {OPTIONS.iterations} iterations, one core")
    for kind, of_kind in found.items():
        base = np.array(of_kind["ours"]["seconds"])
        for name, entry in of_kind.items():
            seconds = np.array(entry["seconds"])
            ratio = np.median(base / seconds)
            print(f"{kind}  {name:>12}: {np.median(seconds):6.2f} s, inertia {np.median(entry['inertia']):.1f}", end="")
            print(f", ours takes {ratio:.2f} of it" if name != "ours" else "")
    if OPTIONS.json:
        about = {"machine": platform.processor(), "options": {**vars(OPTIONS), "json": str(OPTIONS.json)}}
        OPTIONS.json.write_text(json.dumps({**about, "found": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
