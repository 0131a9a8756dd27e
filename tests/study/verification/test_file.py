"""The record of a verification: its file, what it lacks, and the front it leads to."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import run_of

from study.display.front_folder import write_front
from study.display.page import write_report
from study.results.front import front_records, front_rows
from study.results.limits import over_limits
from study.results.records import TrialRecord
from study.run.settings import RunSettings
from study.verification.file import Plan, Verification
from study.verification.verified import apply, covers, verified_run

OBJECTIVES = ("fid", "size_bytes")
PLAN = Plan(num_images=1_000)


def scores(fid: float, **more: Any) -> dict[str, Any]:
    return {
        "fid": fid,
        "fid_low": fid - 1,
        "fid_high": fid + 1,
        "fid_num_images": 1_000,
        "precision": 0.5,
        "latency_ms": 5.0,
        "extractor": "digits",
        "ssim": None,
        **more,
    }


def record(number: int, fid: float, size: int, recipe: Any) -> TrialRecord:
    values = {**scores(fid), "size_bytes": size, "fid_num_images": 500, "parameters": 7}
    return TrialRecord(number, "complete", recipe, values)


@pytest.fixture
def records(digit_recipe: Any) -> list[TrialRecord]:
    """Three near the front, and one far off it."""
    return [
        record(n, *pair, digit_recipe)
        for n, pair in enumerate([(20.0, 100), (19.5, 200), (10.0, 300), (50.0, 300)])
    ]


def fill(verification: Verification, number: int, *fids: float) -> None:
    for seed, fid in zip(verification.plan.seeds, fids, strict=True):
        verification.point(number).seeds[seed] = scores(fid)


def verified(tmp_path: Path) -> Verification:
    verification = Verification.new(tmp_path, PLAN)
    fill(verification, 0, 15.0, 16.0, 17.0)
    fill(verification, 1, 18.0, 19.0, 20.0)
    fill(verification, 2, 8.0, 8.5, 9.0)
    return verification


def test_a_plan_draws_from_other_noise_than_the_search_did() -> None:
    seeds = Plan(10, 5).seeds
    assert len(set(seeds)) == 5
    assert 0 not in seeds
    # A run uses its seed for the first noise and the next one for what a sampler adds.
    assert not {seed + 1 for seed in seeds} & set(seeds)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    verification = verified(tmp_path)
    verification.point(0).latency_ms = 2.5
    verification.point(1).trainings[1] = scores(21.0)
    verification.point(2).reason = "ValueError: gone"
    verification.save()
    again = Verification.load(tmp_path)
    assert again is not None
    assert again.plan == PLAN
    assert again.points == verification.points


def test_a_run_that_was_never_verified_has_no_file(tmp_path: Path) -> None:
    assert Verification.load(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 99}', '{"format": 1, "points": {"x": {}}}', "null"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "verified.json").write_text(content)
    with pytest.raises(ValueError, match=r"verified\.json cannot be read .*delete it"):
        Verification.load(tmp_path)


def test_only_missing_seeds_are_asked_for(tmp_path: Path) -> None:
    verification = Verification.new(tmp_path, PLAN)
    assert verification.missing_seeds(4) == PLAN.seeds
    verification.point(4).seeds[PLAN.seeds[1]] = scores(3)
    assert verification.missing_seeds(4) == [PLAN.seeds[0], PLAN.seeds[2]]
    verification.point(4).reason = "ValueError: damaged"
    assert verification.missing_seeds(4) == []


def test_verified_means_replace_the_scores_of_the_search(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    verification.point(0).latency_ms = 1.25
    after = apply(verification, run_of(tmp_path, records, {})).records
    first = after[0].scores or {}
    assert first["fid"] == pytest.approx(16)
    assert first["fid_num_images"] == 1_000
    assert first["fid_low"] < 15 < 17 < first["fid_high"]
    assert first["verified_seeds"] == 3
    assert first["latency_ms"] == 1.25
    assert (first["size_bytes"], first["parameters"]) == (100, 7)
    assert (after[1].scores or {})["latency_ms"] == 5.0
    assert after[3] == records[3]
    assert (records[0].scores or {})["fid"] == 20, "the records given are left as they were"


def test_a_front_is_made_of_verified_points_alone(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verified(tmp_path).save()
    rows = front_rows(verified_run(run_of(tmp_path, records, {})).records, OBJECTIVES)
    # Trial 1 was on the search's front; verified, the smaller trial 0 is better than it.
    assert [row["trial"] for row in rows] == [0, 2]
    assert [row["fid"] for row in rows] == pytest.approx([16, 8.5])
    assert all(row["verified_seeds"] == 3 for row in rows)
    assert rows[0]["front_probability"] == 1


def test_scores_of_few_and_of_many_images_are_never_mixed(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    del verification.points[1]
    verification.save()
    assert not covers(verification, run_of(tmp_path, records, {}))
    rows = front_rows(verified_run(run_of(tmp_path, records, {})).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0, 1, 2]
    assert all(row["verified_seeds"] is None for row in rows)


def test_what_was_near_the_front_and_is_not_verified_is_left_out_of_it(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verified(tmp_path).save()
    near = record(4, 10.5, 300, records[0].recipe)
    rows = front_rows(verified_run(run_of(tmp_path, [*records, near], {})).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0, 2]


def test_a_new_trial_on_the_front_takes_the_front_back_to_the_search(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verified(tmp_path).save()
    better = record(4, 2.0, 250, records[0].recipe)
    rows = front_rows(verified_run(run_of(tmp_path, [*records, better], {})).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0, 1, 4]
    assert all(row["verified_seeds"] is None for row in rows)


def test_a_point_that_cannot_be_scored_again_leaves_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    verification.point(2).reason = "PackageError: damaged"
    verification.save()
    rows = front_rows(verified_run(run_of(tmp_path, records, {})).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0]


Change = Callable[[Verification], None]


def slower(verification: Verification) -> None:
    verification.point(0).latency_ms = 6.0


def noisier(verification: Verification) -> None:
    for found in verification.point(0).seeds.values():
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
    verification = verified(tmp_path)
    change(verification)
    verification.save()
    after = verified_run(run_of(tmp_path, records, limits)).records
    assert (after[0].outcome, after[0].feasible) == ("over a limit", False)
    assert f"{after[0].reason}, ".startswith(reason)
    assert (after[0].scores or {})["front_probability"] == 0
    assert 0 not in {row["trial"] for row in front_rows(after, OBJECTIVES)}
    assert records[0].feasible, "the records given are left as they were"


def test_what_is_over_a_limit_once_verified_keeps_nothing_off_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    slower(verification)
    verification.save()
    rows = front_rows(verified_run(run_of(tmp_path, records, {})).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0, 2], "trial 1 is behind trial 0"
    limits = {"latency_ms": 5.5}
    rows = front_rows(verified_run(run_of(tmp_path, records, limits)).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [1, 2]
    assert rows[0]["front_probability"] == 1


def test_what_is_within_a_limit_once_verified_can_be_on_the_front(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verified(tmp_path).save()
    records[0] = replace(records[0], feasible=False, reason="fid 20 is over the limit 19.2")
    after = verified_run(run_of(tmp_path, records, {"fid": 19.2})).records
    assert (after[0].feasible, after[0].reason) == (True, None)
    assert [row["trial"] for row in front_rows(after, OBJECTIVES)] == [0, 2]


def test_what_comes_within_reach_behind_a_trial_over_a_limit_is_to_be_verified_too(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    limits = {"latency_ms": 5.5}
    verification = verified(tmp_path)
    verification.point(2).latency_ms = 6.0
    verification.save()
    # Trial 3 was behind trial 2.
    assert covers(verification, run_of(tmp_path, records, {}))
    assert covers(verification, run_of(tmp_path, records[:3], limits))
    records[3] = replace(records[3], scores={**scores(15.0), "size_bytes": 300})
    assert not covers(verification, run_of(tmp_path, records, limits))
    after = verified_run(run_of(tmp_path, records, limits)).records
    assert after == tuple(records), "the search's front"
    fill(verification, 3, 14.0, 15.0, 15.5)
    verification.save()
    rows = front_rows(verified_run(run_of(tmp_path, records, limits)).records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [0, 3]


def test_a_run_whose_trials_all_turn_out_over_a_limit_has_an_empty_front_and_its_reasons(
    tmp_path: Path, records: list[TrialRecord], settings: RunSettings
) -> None:
    verification = verified(tmp_path)
    fill(verification, 3, 50.0, 51.0, 52.0)
    verification.save()
    limits = {"fid": 8.0}
    after = verified_run(run_of(tmp_path, records, limits)).records
    run = run_of(tmp_path, after, limits)
    rows = write_front(run)
    write_report(run, rows)
    assert rows == []
    assert json.loads((tmp_path / "front" / "front.json").read_text())["points"] == []
    page = (tmp_path / "report.html").read_text()
    assert "trials: 4 over a limit" in page
    for fid in ("16", "19", "8.5", "51"):
        assert f"fid {fid} is over the limit 8<" in page


FIDS = st.lists(st.floats(1, 100), min_size=3, max_size=3)


@given(
    trials=st.lists(st.tuples(st.floats(1, 100), st.integers(1, 9), FIDS), max_size=6),
    most=st.floats(1, 100),
)
def test_a_verified_front_keeps_to_the_limits_and_has_nothing_better_within_them(
    trials: list[tuple[float, int, list[float]]], most: float
) -> None:
    limits, verification = {"fid": most}, Verification(Path("unused"), PLAN)
    records = []
    for number, (fid, size, fids) in enumerate(trials):
        values = {**scores(fid), "size_bytes": size}
        records.append(TrialRecord(number, "complete", None, values, feasible=fid <= most))
        fill(verification, number, *fids)
    after = apply(verification, run_of(Path("unused"), records, limits)).records
    front = [found.scores or {} for found in front_records(after, OBJECTIVES)]
    assert all(over_limits(found, limits) is None for found in front)
    within = [r.scores or {} for r in after if (r.scores or {})["fid"] <= most]
    best = min((found["fid"] for found in within), default=math.inf)
    assert min((found["fid"] for found in front), default=math.inf) == best


def test_the_spread_over_trainings_stands_beside_that_over_samples(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    verification.point(0).trainings = {1: scores(21.0), 2: scores(18.0)}
    row = front_rows(apply(verification, run_of(tmp_path, records, {})).records, OBJECTIVES)[0]
    # 15 is the first training with the noise that the others had, too.
    assert row["trainings"] == 3
    assert row["fid_trainings_deviation"] == pytest.approx(3.0)
    assert row["fid_samples_deviation"] == pytest.approx(1.0)


def test_a_score_that_is_missing_in_one_seed_is_not_averaged(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path)
    seeds = list(verification.point(0).seeds.values())
    seeds[0]["fid_infinity"], seeds[1]["fid_infinity"], seeds[2]["fid_infinity"] = 1.0, None, 3.0
    after = apply(verification, run_of(tmp_path, records, {})).records[0].scores or {}
    assert after["precision"] == 0.5
    assert after["ssim"] is None
    assert after["fid_infinity"] is None


def test_the_file_is_plain_json_with_its_conditions(tmp_path: Path) -> None:
    verified(tmp_path).save()
    content = json.loads((tmp_path / "verified.json").read_text())
    assert (content["num_images"], content["num_seeds"]) == (1_000, 3)
    assert set(content["points"]) == {"0", "1", "2"}
