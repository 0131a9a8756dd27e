"""A run is shown with the figures that its front can be made of, whatever is asked of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_verification import SEARCHED, record, verified

from study.results.filters import EVERYTHING, Filter
from study.results.pick import Wish
from study.run.run import Run
from study.verification.picked import picked
from study.verification.shown import shown_run
from study.verification.verified import verified_run


@pytest.fixture
def run(tmp_path: Path, digit_recipe: object) -> Run:
    """A run of four trials, of which a verification that is on disk found the first three."""
    records = [
        record(n, fid, size, digit_recipe)  # type: ignore[arg-type]
        for n, (fid, size) in enumerate(SEARCHED)
    ]
    verification = verified(tmp_path, records)
    verification.save()
    return verification.run


def front(run: Run, chosen: Filter = EVERYTHING) -> list[tuple[int, float, int | None]]:
    """Return trial, FID and verified seeds of a front."""
    rows = shown_run(run, chosen).rows()
    return [(row["trial"], row["fid"], row["verified_seeds"]) for row in rows]


def test_without_a_filter_it_is_the_verified_run(run: Run, tmp_path: Path) -> None:
    records = list(run.records)
    expected = verified_run(verified(tmp_path, records))
    assert shown_run(run).records == expected.records
    assert front(run) == [(0, 16.0, 3), (2, 8.5, 3)]


@pytest.mark.parametrize(
    ("chosen", "trials"),
    [
        (Filter(most={"size_bytes": 250}), [0]),
        (Filter(least={"size_bytes": 150}), [1, 2]),
        # By its FID of the search trial 0 would not keep to it.
        (Filter(most={"fid": 18}), [0, 2]),
        (Filter(most={"fid": 15}), [2]),
        (Filter(most={"fid": 1}), []),
    ],
)
def test_what_is_verified_is_judged_by_that(chosen: Filter, trials: list[int], run: Run) -> None:
    found = front(run, chosen)
    assert [trial for trial, _, _ in found] == trials
    assert {seeds for _, _, seeds in found} <= {3}


def test_a_front_with_an_unverified_trial_has_the_searchs_figures(run: Run) -> None:
    found = front(run, Filter(least={"fid": 15}))
    assert found == [(0, 16.0, 3)]
    far = [replace(r, scores={**(r.scores or {}), "macs": 10 - r.number}) for r in run.records]
    found = front(run.with_records(far), Filter(objectives=("fid", "macs")))
    assert found == [(2, 10.0, None), (3, 50.0, None)]


def test_a_score_that_no_verification_drew_makes_it_no_verified_front(run: Run) -> None:
    known = [replace(r, scores={**(r.scores or {}), "kid": 0.1}) for r in run.records]
    found = front(run.with_records(known), Filter(objectives=("fid", "kid")))
    assert found == [(2, 10.0, None)]


def test_a_picked_model_has_its_rank_on_the_studys_own_front(run: Run) -> None:
    seen, row = picked(run, Wish(chosen=Filter(least={"size_bytes": 150})))
    assert (row["trial"], row["rank"]) == (2, 2)
    assert [own["rank"] for own in seen.rows()] == [1, 2]
    _, row = picked(run, Wish(max_bytes=250, chosen=Filter(least={"size_bytes": 150})))
    assert (row["trial"], row["rank"]) == (1, None)
    with pytest.raises(ValueError, match="no model has fid at most 1; allowed: "):
        picked(run, Wish(max_fid=1))
