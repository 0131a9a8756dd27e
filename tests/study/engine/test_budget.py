"""The budget: each of its three ends alone ends a study."""

import pytest

from study.engine.budget import Budget


@pytest.mark.parametrize(
    ("budget", "begun", "train_images", "now", "spent"),
    [
        (Budget(3), 2, 10**9, 1e9, False),
        (Budget(3), 3, 0, 0.0, True),
        (Budget(3), 4, 0, 0.0, True),
        (Budget(3, deadline=5.0), 0, 0, 4.9, False),
        (Budget(3, deadline=5.0), 0, 0, 5.0, True),
        (Budget(3, train_images=64), 0, 63, 0.0, False),
        (Budget(3, train_images=64), 0, 64, 0.0, True),
        (Budget(3, deadline=5.0, train_images=64), 2, 63, 4.9, False),
    ],
)
def test_a_study_is_spent_at_the_first_of_its_ends(
    budget: Budget, begun: int, train_images: int, now: float, spent: bool
) -> None:
    assert budget.is_spent(begun=begun, train_images=train_images, now=now) == spent
