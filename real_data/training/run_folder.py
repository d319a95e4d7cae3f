"""The folder of one training: its settings, metrics and checkpoints."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.records.atomic_file import write_atomically
from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings_file import write_settings

__all__ = ["RunFolder"]


class RunFolder:
    """Settings (``settings.json``), metrics (``metrics.jsonl``) and checkpoints (``checkpoints/``) of one training.

    Checkpoints are written by orbax: a checkpoint is there whole or not at all, whenever the process is killed.  Orbax
    does not notice bytes of an array that changed on the disk; so a digest of all arrays is saved with them.

    Args:
        path: the folder, made if missing.
        settings: all that determines the weights, as a JSON value.

    Raises:
        ValueError: the folder belongs to a training with other settings, or its settings cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        write_settings(path / "settings.json", json.loads(json.dumps(settings)))

    @property
    def metrics(self) -> Path:
        """The metrics: one JSON object per line."""
        return self.path / "metrics.jsonl"

    def log(self, step: int, **metrics: float) -> None:
        """Add a line to the metrics."""
        line = json.dumps({"step": step, **{name: float(f"{value:.6g}") for name, value in metrics.items()}})
        with self.metrics.open("a") as file:
            file.write(line + "\n")

    def restore(self, start: Any) -> tuple[int, Any]:
        """The last checkpoint.

        Args:
            start: a tree of arrays as it was saved, taken where there is no checkpoint.

        Returns:
            The number of steps taken, and the tree.

        Raises:
            ValueError: the checkpoint is damaged.
        """
        import jax

        with self._manager() as manager:
            step = manager.latest_step()
            if step is None:
                self._forget_after(0)
                return 0, start
            folder = self.path / "checkpoints" / str(step)
            damaged = f"the checkpoint {folder} is damaged: delete it to go on from the one before"
            try:
                found = manager.restore(step, args=_orbax().args.StandardRestore(_with_digest(start)))
            except Exception as error:
                raise ValueError(damaged) from error
        tree = jax.tree.unflatten(jax.tree.structure(start), [found[name] for name in _leaves(start)])
        if not np.array_equal(found["sha256"], _with_digest(tree)["sha256"]):
            raise ValueError(damaged)
        self._forget_after(step)
        return step, tree

    def save(self, step: int, tree: Any) -> None:
        """Write a checkpoint; the last two are kept."""
        with self._manager() as manager:
            manager.save(step, args=_orbax().args.StandardSave(_with_digest(tree)))

    def _manager(self) -> Any:
        options = _orbax().CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        return _orbax().CheckpointManager((self.path / "checkpoints").absolute(), options=options)

    def _forget_after(self, step: int) -> None:
        """Drop the metrics of steps that are taken again."""
        if not self.metrics.exists():
            return
        complete = [line for line in self.metrics.read_text().splitlines(keepends=True) if line.endswith("\n")]
        kept = []
        for number, line in enumerate(complete, 1):
            try:
                at = json.loads(line)["step"]
            except (ValueError, KeyError, TypeError):  # a log is no reason not to go on
                print(f"{self.metrics}: line {number} is damaged; the log goes on from there", file=sys.stderr)
                break
            if at <= step:
                kept.append(line)
        write_atomically(self.metrics, "".join(kept).encode())


def _leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a tree by number: so a checkpoint knows nothing of the types around them."""
    import jax

    return {f"array{i:04d}": leaf for i, leaf in enumerate(jax.tree.leaves(tree))}


def _with_digest(tree: Any) -> dict[str, Any]:
    leaves = _leaves(tree)
    return {**leaves, "sha256": np.frombuffer(bytes.fromhex(sha256_of(*leaves.values())), np.uint8)}


def _orbax() -> Any:
    import orbax.checkpoint

    return orbax.checkpoint
