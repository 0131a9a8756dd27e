"""The budget: when a study is spent."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """When a study ends.

    Attributes:
        trials: finished ones to reach.
        deadline: time after which no trial starts, and before which each shall end.
        train_images: once so many were trained on, no trial starts.
    """

    trials: int
    deadline: float | None = None
    train_images: float | None = None

    def seconds_left(self, now: float) -> float:
        """Return the time that is left; infinite without a deadline."""
        return math.inf if self.deadline is None else self.deadline - now

    def is_spent(self, *, begun: int, train_images: int, now: float) -> bool:
        """Whether no other trial may start.

        Args:
            begun: trials that were started, whether they ended or not.
            train_images: that those were trained on, and will be.
            now: the time, as that of the deadline.
        """
        return (
            begun >= self.trials
            or (self.deadline is not None and now >= self.deadline)
            or (self.train_images is not None and train_images >= self.train_images)
        )
