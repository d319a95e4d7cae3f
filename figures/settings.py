"""What the jobs of the figures are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """How theory is compared with simulation, and where that goes.

    Attributes:
        out: folder for data (NetCDF) and figures (PDF, PNG).
        num_features: parameters of the simulated students, N.
        num_trials: independent trials per simulated point, at least 2.
        seed: seed of the simulations.
    """

    out: Path = Path("results")
    num_features: int = 200
    num_trials: int = 40
    seed: int = 0

    def check(self) -> None:
        """Raise a ``ValueError`` for what would stop the job only after minutes of theory."""
        if self.out.is_file():
            raise ValueError(f"out must be a folder, but {self.out} is a file")
        for name in ("num_features", "num_trials"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, got {getattr(self, name)}")
