"""The budget: when a study is spent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """When a study ends.

    Attributes:
        trials: finished ones to reach.
        deadline: time after which no trial starts.
        train_images: once so many were trained on, no trial starts.
    """

    trials: int
    deadline: float | None = None
    train_images: float | None = None
