"""The front that a verification leads to: of one kind of scores, and within the limits."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import data_of
from small_run import run_of
from small_verification import SEARCHED, fill, record, scores, verified

from diffusion.recipe import Recipe
from study.display.front_folder import write_front
from study.display.page import write_report
from study.results.front import front_records, front_rows
from study.results.limits import over_limits
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.verification.file import Verification
from study.verification.verified import apply, covers, front_images, verified_run

OBJECTIVES = ("fid", "size_bytes")
IMAGES = 1_000


@pytest.fixture
def records(digit_recipe: Recipe) -> list[TrialRecord]:
    return [record(number, *pair, digit_recipe) for number, pair in enumerate(SEARCHED)]


def rows_of(verification: Verification) -> list[FrontRow]:
    return front_rows(verified_run(verification).records, OBJECTIVES)


def test_verified_means_replace_the_scores_of_the_search(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    verification.point(0).latency_ms = 1.25
    verification.point(0).onnx_latency_ms = 0.75
    after = apply(verification, IMAGES).records
    first = after[0].scores or {}
    assert first["fid"] == pytest.approx(16)
    assert first["fid_num_images"] == 1_000
    assert first["fid_low"] < 15 < 17 < first["fid_high"]
    assert first["verified_seeds"] == 3
    assert (first["latency_ms"], first["onnx_latency_ms"]) == (1.25, 0.75)
    assert (first["size_bytes"], first["parameters"]) == (100, 7)
    assert (after[1].scores or {})["latency_ms"] == 5.0
    assert after[3] == records[3]
    assert (records[0].scores or {})["fid"] == 20, "the records given are left as they were"


def test_a_front_is_made_of_verified_points_alone(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    rows = rows_of(verified(tmp_path, records))
    # Trial 1 was on the search's front; verified, the smaller trial 0 is better than it.
    assert [row["trial"] for row in rows] == [0, 2]
    assert [row["fid"] for row in rows] == pytest.approx([16, 8.5])
    assert all(row["verified_seeds"] == 3 for row in rows)
    assert rows[0]["front_probability"] == 1


def test_scores_of_few_and_of_many_images_are_never_mixed(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    del verification.points[1]
    assert not covers(verification, IMAGES)
    rows = rows_of(verification)
    assert [row["trial"] for row in rows] == [0, 1, 2]
    assert all(row["verified_seeds"] is None for row in rows)


FEW, MANY = (15.0, 16.0, 17.0), (14.0, 15.0, 15.5)


@pytest.mark.parametrize(
    ("many", "front"),
    [
        ({}, 1_000),
        ({0: MANY}, 1_000),
        ({0: MANY, 1: MANY, 2: MANY[:2]}, 1_000),
        ({0: MANY, 1: MANY, 3: MANY}, 1_000),
        ({0: MANY, 1: MANY, 2: MANY}, 10_000),
        ({0: (*MANY, 16.0, 16.5), 1: MANY, 2: MANY}, 10_000),
    ],
    ids=["none", "some", "too few seeds", "others", "all", "unequal seeds"],
)
def test_a_front_is_of_the_most_images_that_all_of_it_has(
    many: dict[int, tuple[float, ...]], front: int, tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    for number, fids in many.items():
        fill(verification, number, *fids, num_images=10_000)
    assert front_images(verification) == front
    rows = rows_of(verification)
    seeds = many[0] if front == 10_000 else FEW
    assert rows[0]["trial"] == 0
    assert rows[0]["fid"] == pytest.approx(sum(seeds) / len(seeds))
    assert rows[0]["verified_seeds"] == len(seeds)


def test_what_is_not_verified_leaves_the_run_as_it_was(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = Verification(run_of(tmp_path, records))
    assert front_images(verification) is None
    assert verified_run(verification) is verification.run


def test_a_limit_is_judged_by_scores_of_the_fronts_own_number_of_images(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records, {"fid": 18.5})
    # Of 1,000 images trial 1 is over the limit, and of 10,000 it is not.
    assert [row["trial"] for row in rows_of(verification)] == [0, 2]
    for number, fids in enumerate([(17.0, 17.5, 18.0), (16.0, 16.5, 17.0), (8.0, 8.5, 9.0)]):
        fill(verification, number, *fids, num_images=10_000)
    assert [row["trial"] for row in rows_of(verification)] == [0, 1, 2]


def test_what_was_near_the_front_and_is_not_verified_is_left_out_of_it(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    near = record(4, 10.5, 300, records[0].recipe)
    rows = rows_of(verified(tmp_path, [*records, near]))
    assert [row["trial"] for row in rows] == [0, 2]


def test_a_new_trial_on_the_front_takes_the_front_back_to_the_search(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    better = record(4, 2.0, 250, records[0].recipe)
    rows = rows_of(verified(tmp_path, [*records, better]))
    assert [row["trial"] for row in rows] == [0, 1, 4]
    assert all(row["verified_seeds"] is None for row in rows)


def test_a_point_that_cannot_be_scored_again_leaves_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    verification.point(2).reason = "PackageError: damaged"
    assert [row["trial"] for row in rows_of(verification)] == [0]
    after = verified_run(verification).records[2]
    assert (after.outcome, after.reason) == ("failed", "PackageError: damaged")


def test_what_a_damaged_model_kept_off_the_front_is_to_be_verified_too(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    records[3] = record(3, 15.0, 300, records[0].recipe)
    verification = verified(tmp_path, records)
    assert covers(verification, IMAGES)
    verification.point(2).reason = "PackageError: damaged"
    assert not covers(verification, IMAGES)
    fill(verification, 3, 14.0, 15.0, 15.5)
    assert [row["trial"] for row in rows_of(verification)] == [0, 3]


def test_what_a_torn_journal_lost_of_a_verified_trial_leaves_it_off_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    records[2] = TrialRecord(2, "running", records[2].recipe)
    verification = verified(tmp_path, records)
    assert [row["trial"] for row in rows_of(verification)] == [0]
    assert verified_run(verification).records[2] == records[2]


Change = Callable[[Verification], None]


def slower(verification: Verification) -> None:
    verification.point(0).latency_ms = 6.0


def noisier(verification: Verification) -> None:
    for found in verification.point(0).seeds[IMAGES].values():
        found["fid_noise"] = 15.5


@pytest.mark.parametrize(
    ("limits", "change", "reason"),
    [
        ({"fid": 15.0}, lambda _: None, "fid 16 is over the limit 15, "),
        ({"latency_ms": 5.5}, slower, "latency_ms 6 is over the limit 5.5, "),
        ({}, noisier, "fid 16.0 is worse than uniform noise's 15.5, "),
        ({"fid": 15.0, "latency_ms": 5.5}, slower, "fid 16 is over the limit 15, latency_ms 6 is"),
    ],
    ids=["fid", "latency", "noise", "both"],
)
def test_what_verified_scores_put_over_a_limit_is_not_on_the_front(
    limits: dict[str, float],
    change: Change,
    reason: str,
    tmp_path: Path,
    records: list[TrialRecord],
) -> None:
    verification = verified(tmp_path, records, limits)
    change(verification)
    after = verified_run(verification).records
    assert (after[0].outcome, after[0].feasible) == ("over a limit", False)
    assert f"{after[0].reason}, ".startswith(reason)
    assert (after[0].scores or {})["front_probability"] == 0
    assert 0 not in {row["trial"] for row in front_rows(after, OBJECTIVES)}
    assert records[0].feasible, "the records given are left as they were"


def test_what_is_over_a_limit_once_verified_keeps_nothing_off_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    slower(verification)
    rows = rows_of(verification)
    assert [row["trial"] for row in rows] == [0, 2], "trial 1 is behind trial 0"
    limits = {"latency_ms": 5.5}
    rows = rows_of(Verification(run_of(tmp_path, records, limits), verification.points))
    assert [row["trial"] for row in rows] == [1, 2]
    assert rows[0]["front_probability"] == 1


def test_what_is_within_a_limit_once_verified_can_be_on_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    records[0] = replace(records[0], feasible=False, reason="fid 20 is over the limit 19.2")
    after = verified_run(verified(tmp_path, records, {"fid": 19.2})).records
    assert (after[0].feasible, after[0].reason) == (True, None)
    assert [row["trial"] for row in front_rows(after, OBJECTIVES)] == [0, 2]


def test_what_comes_within_reach_behind_a_trial_over_a_limit_is_to_be_verified_too(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    limits = {"latency_ms": 5.5}
    points = verified(tmp_path, records).points
    points[2].latency_ms = 6.0
    # Trial 3 was behind trial 2.
    assert covers(Verification(run_of(tmp_path, records), points), IMAGES)
    assert covers(Verification(run_of(tmp_path, records[:3], limits), points), IMAGES)
    records[3] = replace(records[3], scores={**scores(15.0), "size_bytes": 300})
    verification = Verification(run_of(tmp_path, records, limits), points)
    assert not covers(verification, IMAGES)
    assert verified_run(verification).records == tuple(records), "the search's front"
    fill(verification, 3, 14.0, 15.0, 15.5)
    assert [row["trial"] for row in rows_of(verification)] == [0, 3]


def test_a_run_whose_trials_all_turn_out_over_a_limit_has_an_empty_front_and_its_reasons(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records, {"fid": 8.0})
    fill(verification, 3, 50.0, 51.0, 52.0)
    run = verified_run(verification)
    rows = write_front(run)
    write_report(run, rows)
    assert rows == []
    assert json.loads((tmp_path / "front" / "front.json").read_text())["points"] == []
    trials = data_of(tmp_path / "report.html")["trials"]
    assert [trial["status"] for trial in trials] == ["over"] * 4
    for trial, fid in zip(trials, ("16", "19", "8.5", "51"), strict=True):
        assert trial["reason"] == f"fid {fid} is over the limit 8"


FIDS = st.lists(st.floats(1, 100), min_size=3, max_size=3)


@given(
    trials=st.lists(st.tuples(st.floats(1, 100), st.integers(1, 9), FIDS), max_size=6),
    most=st.floats(1, 100),
)
def test_a_verified_front_keeps_to_the_limits_and_has_nothing_better_within_them(
    trials: list[tuple[float, int, list[float]]], most: float
) -> None:
    limits = {"fid": most}
    records = [
        replace(record(number, fid, size), feasible=fid <= most)
        for number, (fid, size, _) in enumerate(trials)
    ]
    verification = Verification(run_of(Path("unused"), records, limits))
    for number, (_, _, fids) in enumerate(trials):
        fill(verification, number, *fids)
    after = apply(verification, IMAGES).records
    front = [found.scores or {} for found in front_records(after, OBJECTIVES)]
    assert all(over_limits(found, limits) is None for found in front)
    within = [r.scores or {} for r in after if (r.scores or {})["fid"] <= most]
    best = min((found["fid"] for found in within), default=math.inf)
    assert min((found["fid"] for found in front), default=math.inf) == best


def test_the_spread_over_trainings_stands_beside_that_over_samples(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    verification.point(0).trainings = {IMAGES: {1: scores(21.0), 2: scores(18.0)}}
    row = rows_of(verification)[0]
    # 15 is the first training with the noise that the others had, too.
    assert row["trainings"] == 3
    assert row["fid_trainings_deviation"] == pytest.approx(3.0)
    assert row["fid_samples_deviation"] == pytest.approx(1.0)


def test_the_spread_over_trainings_is_of_one_number_of_images(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    for number in (0, 1, 2):
        fill(verification, number, 14.0, 14.0, 17.0, num_images=10_000)
    verification.point(0).trainings = {IMAGES: {1: scores(21.0), 2: scores(18.0)}}
    row = rows_of(verification)[0]
    assert row["fid"] == pytest.approx(15), "of 10,000 images"
    assert row["fid_trainings_deviation"] == pytest.approx(3.0)
    assert row["fid_samples_deviation"] == pytest.approx(1.0)
    verification.point(0).trainings[10_000] = {1: scores(18.0)}
    row = rows_of(verification)[0]
    assert row["trainings"] == 2
    assert row["fid_samples_deviation"] == pytest.approx(3**0.5)


def test_a_training_that_fails_is_left_out_of_the_spread(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    verification.point(0).failed_trainings = {1: "TrainingDiverged: loss nan"}
    assert rows_of(verification)[0]["trainings"] is None
    verification.point(0).trainings = {IMAGES: {2: scores(18.0)}}
    assert rows_of(verification)[0]["trainings"] == 2


def test_a_score_that_is_missing_in_one_seed_is_not_averaged(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    seeds = list(verification.point(0).seeds[IMAGES].values())
    seeds[0]["fid_infinity"], seeds[1]["fid_infinity"], seeds[2]["fid_infinity"] = 1.0, None, 3.0
    after = apply(verification, IMAGES).records[0].scores or {}
    assert after["precision"] == 0.5
    assert after["ssim"] is None
    assert after["fid_infinity"] is None
