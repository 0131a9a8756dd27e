"""What the trials of a search were worth: counted from two known backbones on."""

import pytest

from benchmarks.course import Trial, Worth, course, trained_by, worth
from benchmarks.hypervolume import hypervolume


def ended(begin: float, end: float, fid: float, size: float = 1e4, key: str = "a") -> Trial:
    return Trial(begin, end, 1_000, (fid, size), key)


FIRST_TWO = [ended(0, 10, 20.0), ended(0, 20, 10.0, 2e4, key="b")]


def test_nothing_counts_before_two_backbones_are_known() -> None:
    assert worth([]) == Worth(0, 0, 0)
    assert worth([ended(0, 10, 20.0), ended(10, 20, 10.0)]) == Worth(0, 0, 0)
    assert worth(FIRST_TWO) == Worth(0, 0, 0)
    assert worth([*FIRST_TWO, ended(19, 30, 1.0)]) == Worth(0, 0, 0), "it began too early"


@pytest.mark.parametrize(
    ("fid", "size", "useful"),
    [
        (15.0, 1.5e4, True),  # between the two
        (9.0, 3e4, True),
        (21.9, 1e4, True),  # within 10 % of the first
        (22.1, 1e4, False),
        (20.0, 1.09e4, True),
        (20.0, 1.2e4, False),
        (30.0, 0.95e4, True),  # smaller than any
    ],
)
def test_useful_is_what_improves_the_front_or_nearly_does(
    fid: float, size: float, useful: bool
) -> None:
    assert worth([*FIRST_TWO, ended(20, 30, fid, size)]) == Worth(1, 0, int(useful))


def test_noise_and_what_was_stopped_count_as_useless() -> None:
    noise = Trial(20, 30, 0, (690.0, 1e2), "a", is_noise=True)
    stopped = Trial(20, 40, 16_000, None, "c")
    assert worth([*FIRST_TWO, noise, stopped]) == Worth(2, 1, 0)


def test_noise_is_no_knowledge() -> None:
    noise = Trial(0, 15, 0, (690.0, 1e2), "c", is_noise=True)
    assert worth([FIRST_TWO[0], noise, ended(15, 30, 9.0)]) == Worth(0, 0, 0)
    near_noise = ended(20, 30, 700.0, 1.05e2)
    assert worth([*FIRST_TWO, noise, near_noise]).useful == 0


def test_a_training_that_was_stopped_is_known_too() -> None:
    stopped, failed = Trial(0, 15, 16_000, None, "c"), Trial(0, 15, 0, None, "d")
    later = ended(15, 30, 9.0)
    assert worth([FIRST_TWO[0], stopped, later]) == Worth(1, 0, 1)
    assert worth([FIRST_TWO[0], failed, later]) == Worth(0, 0, 0)


def test_a_trial_is_held_against_those_that_ended_before_it() -> None:
    same = [ended(20, 30, 9.0, 1e4), ended(20, 40, 9.9, 1e4), ended(20, 50, 12.0, 1e4)]
    assert worth([*FIRST_TWO, *same]) == Worth(3, 0, 2)


def test_images_count_from_the_begin_of_a_trial() -> None:
    late = Trial(5, 30, 500, None, "c")
    moments = course([*FIRST_TWO, late])
    assert [(m.seconds, m.trained_images) for m in moments] == [
        (10, 2_500),
        (20, 2_500),
        (30, 2_500),
    ]
    assert moments[-1].hypervolume == pytest.approx(hypervolume([(20.0, 1e4), (10.0, 2e4)]))
    assert moments[0].hypervolume == pytest.approx(hypervolume([(20.0, 1e4)]))


@pytest.mark.parametrize(
    ("seconds", "images"), [(0, 0), (5, 500), (10, 1_000), (15, 1_250), (30, 2_000), (99, 2_000)]
)
def test_what_trains_just_then_counts_as_far_as_it_has_come(seconds: float, images: int) -> None:
    assert trained_by([ended(0, 10, 20.0), ended(10, 30, 9.0)], seconds) == images
