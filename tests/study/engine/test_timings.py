"""What trials cost: ratios to powers of two, and what outlasts what is left of a study."""

import math

import pytest

from study.engine.timings import Timings

BACKBONE = (("backbone.width", 8),)


def timings(train_seconds: float, finetune_seconds: float = 30.0) -> Timings:
    """Return what one trial tells that took ten seconds to draw and score."""
    found = Timings()
    scores = {"train_seconds": train_seconds, "finetune_seconds": finetune_seconds}
    found.note(BACKBONE, {**scores, "generate_seconds": 9.0, "score_seconds": 1.0})
    return found


def test_before_anything_was_timed_a_training_costs_sixteen_scorings_more() -> None:
    found = Timings()
    assert found.cost(trains=False, cools=False) == 1
    assert found.cost(trains=True, cools=False) == 17
    assert found.cost(trains=True, cools=True) == 21
    assert found.new_share(0.25) == 0.25


@pytest.mark.parametrize(
    ("train_seconds", "ratio"), [(20.0, 2), (75.0, 8), (85.0, 8), (110.0, 8), (120.0, 16)]
)
def test_measured_ratios_are_powers_of_two(train_seconds: float, ratio: int) -> None:
    found = timings(train_seconds)
    assert found.cost(trains=True, cools=False) == 1 + ratio
    assert found.cost(trains=True, cools=True) == 1 + ratio + 4
    assert found.new_share(0.25) == 1 / (1 + ratio)


def test_a_training_takes_what_its_slowest_trial_says() -> None:
    found = timings(20.0)
    found.note(BACKBONE, {"train_seconds": 80.0})
    found.note(BACKBONE, {"train_seconds": 40.0})
    found.note(BACKBONE, {"train_seconds": math.inf})
    assert found.cost(trains=True, cools=False) == 1 + 8


@pytest.mark.parametrize(
    ("train_seconds", "trains", "cools", "fewest"),
    [
        (80.0, False, False, 0),
        (80.0, False, True, 2),  # four scorings, and other trials take two each
        (80.0, True, False, 4),
        (80.0, True, True, 6),
        (160.0, True, True, 8),  # not ten: sixteen are the most that count
        (36_000.0, True, False, 8),
    ],
)
def test_what_trains_outlasts_trials_that_take_two_scorings_each(
    train_seconds: float, trains: bool, cools: bool, fewest: int
) -> None:
    found = timings(train_seconds)
    outlasted = [found.outlasts(n, trains=trains, cools=cools) for n in range(10)]
    assert outlasted == [n < fewest for n in range(10)]
    assert not found.outlasts(math.inf, trains=trains, cools=cools)
