"""Expected gains against areas known in closed form."""

import numpy as np
import pytest

from study.engine.gain import Gap

LEAST, REFERENCE = np.zeros(2), np.ones(2)
NOWHERE = np.array([[1.0, 1.0]])


@pytest.mark.parametrize(
    ("front", "candidate", "area"),
    [
        (NOWHERE, (0.5, 0.5), 0.25),
        (NOWHERE, (0.0, 0.0), 1.0),
        (NOWHERE, (1.0, 0.2), 0.0),
        (np.array([[0.5, 0.5]]), (0.5, 0.5), 0.0),
        (np.array([[0.5, 0.5]]), (0.2, 0.8), 0.3 * 0.2),
        (np.array([[0.5, 0.5]]), (0.25, 0.25), 0.75**2 - 0.25),
    ],
)
def test_what_is_known_gains_the_area_that_only_it_dominates(
    front: np.ndarray, candidate: tuple[float, float], area: float
) -> None:
    gap = Gap(front, LEAST, REFERENCE)
    gains = gap.gains(np.array([candidate]), np.zeros((1, 2)))
    assert gains[0] == pytest.approx(area, abs=0.06)


def test_uncertainty_spreads_the_gain_about_that_of_the_mean() -> None:
    gap = Gap(NOWHERE, LEAST, REFERENCE)
    sure, unsure = gap.gains(np.array([[0.5, 0.0], [0.5, 0.0]]), np.array([[0.0, 0], [0.1, 0]]))
    assert unsure == pytest.approx(sure, abs=0.03)


def test_behind_the_front_only_the_uncertain_may_gain() -> None:
    gap = Gap(np.array([[0.5, 0.5]]), LEAST, REFERENCE)
    behind = np.array([[0.6, 0.6]] * 3)
    gains = gap.gains(behind, np.array([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0]]))
    assert 0 == gains[0] < gains[1] < gains[2]


def test_three_objectives_are_a_volume() -> None:
    gap = Gap(np.ones((1, 3)), np.zeros(3), np.ones(3))
    assert gap.gains(np.full((1, 3), 0.5), np.zeros((1, 3)))[0] == pytest.approx(1 / 8, abs=0.05)
