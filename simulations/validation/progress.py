"""The progress bar of many simulations."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

from tqdm import tqdm

__all__ = ["FIRST_GUESS"]


FIRST_GUESS = 30  # trials that "auto" is expected to take until it is known


class Progress:
    """A bar over the trials of several simulations, and their number whether it is shown or not."""

    def __init__(self, num_trials: Sequence[int | Literal["auto"]], *, shown: bool):
        self.coming = list(num_trials)
        self.found: list[int] = []  # trials that "auto" took so far
        self.n, self.finished = 0, 0
        self.bar = tqdm(total=self.total, desc="simulation", unit="trial", disable=not shown, leave=False)

    @property
    def total(self) -> int:
        """Trials in all, as far as is known."""
        guess = max(self.found, default=FIRST_GUESS)
        return max(self.n, self.finished + sum(guess if number == "auto" else number for number in self.coming))

    def update(self, num_trials: int) -> None:
        """So many more are done."""
        self.n += num_trials
        self.bar.total = self.total
        self.bar.update(num_trials)

    @property
    def initial(self) -> int:
        """Trials that were there before: they count, but the time left does not go by them."""
        return int(getattr(self.bar, "initial", 0))  # a bar that is not shown has none

    @initial.setter
    def initial(self, num_trials: int) -> None:
        self.bar.initial = num_trials

    def next(self) -> None:
        """The first simulation that was coming is finished."""
        if self.coming.pop(0) == "auto":
            self.found.append(self.n - self.finished)
        self.finished = self.n
        self.update(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.close()
