"""Learning curves: a training ends early only where another one surely ends better."""

import pytest

from benchmarks.curves import HOPE, USUAL_SLOPE, Curves

ENDS = {"a": 64_000, "b": 64_000, "c": 64_000}


def curves(**at_first: tuple[float, float]) -> Curves:
    """Return curves of trainings that scored an FID and a size at their first rung."""
    found = Curves(ENDS)
    for key, (fid, size_bytes) in at_first.items():
        found.add(key, 16_000, {"fid": fid, "size_bytes": size_bytes})
    return found


def test_a_training_alone_goes_on() -> None:
    assert curves(a=(600.0, 1e6)).why_stop("a", 16_000) is None


# From 16,000 to 64,000 images the one is hoped to fall by 4 ** 1, the other falls by 4 ** 0.5.
@pytest.mark.parametrize(("fid", "goes_on"), [(19.9, True), (20.1, False)])
def test_it_ends_where_no_hope_makes_up_for_the_distance(fid: float, goes_on: bool) -> None:
    assert (HOPE, USUAL_SLOPE) == (2.0, -0.5)
    found = curves(a=(10.0, 1e5), b=(fid, 1e5))
    assert found.why_stop("a", 16_000) is None
    assert (found.why_stop("b", 16_000) is None) == goes_on


def test_a_smaller_one_goes_on_however_bad() -> None:
    assert curves(a=(10.0, 1e5), b=(500.0, 9e4)).why_stop("b", 16_000) is None


@pytest.mark.parametrize("scores", [{}, {"fid": float("nan")}, {"fid": float("inf")}])
def test_what_has_no_fid_is_worse_than_all_that_have_one(scores: dict[str, float]) -> None:
    found = curves(a=(500.0, 1e5))
    found.add("b", 16_000, {"size_bytes": 1e4, **scores})
    assert found.why_stop("a", 16_000) is None
    assert found.why_stop("b", 16_000) is None, "it is the smallest"
    found.add("c", 16_000, {"size_bytes": 2e5, **scores})
    assert found.why_stop("c", 16_000)
    found.add("c", 32_000, {"size_bytes": 2e5, "fid": 1.0})
    assert found.why_stop("c", 32_000) is None


def test_the_usual_slope_is_learned_from_two_rungs() -> None:
    found = curves(a=(40.0, 1e5), b=(75.0, 1e5))
    found.add("a", 32_000, {"fid": 20.0, "size_bytes": 1e5})  # a slope of -1
    # a: 20 / 2 = 10 at its end; b: 75 / 4 ** 2 = 4.7 if all goes well.
    assert found.why_stop("b", 16_000) is None
    found.add("c", 16_000, {"fid": 161.0, "size_bytes": 1e5})
    assert found.why_stop("c", 16_000) == "likely to end behind 1 of the trainings", (
        "161 / 16 > 10"
    )
