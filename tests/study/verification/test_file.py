"""The file of a verification: nothing of it is lost, and what is damaged is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_run import run_of
from small_verification import SEARCHED, fill, record, scores, verified

from study.results.records import TrialRecord
from study.verification.file import Verification


@pytest.fixture
def records() -> list[TrialRecord]:
    return [record(number, *pair) for number, pair in enumerate(SEARCHED)]


def test_what_is_saved_is_read_again(tmp_path: Path, records: list[TrialRecord]) -> None:
    verification = verified(tmp_path, records)
    fill(verification, 0, 14.0, 15.0, 15.5, 16.0, num_images=10_000)
    verification.point(0).latency_ms = 2.5
    verification.point(1).trainings[1_000] = {1: scores(21.0)}
    verification.point(1).failed_trainings[2] = "TrainingDiverged: loss nan"
    verification.point(2).reason = "PackageError: gone"
    verification.save()
    assert Verification.load(run_of(tmp_path, records)) == verification


def test_a_run_that_was_never_verified_knows_nothing(tmp_path: Path) -> None:
    assert Verification.load(run_of(tmp_path)).points == {}


def test_a_file_of_format_1_is_read(tmp_path: Path) -> None:
    point = {
        "seeds": {"1000": scores(3), "1010": scores(4)},
        "latency_ms": 2.5,
        "trainings": {"1": scores(5)},
        "reason": None,
    }
    other = {"seeds": {}, "latency_ms": None, "trainings": {}, "reason": "PackageError: gone"}
    content = {
        "format": 1,
        "num_images": 2_000,
        "num_seeds": 3,
        "points": {"4": point, "7": other},
    }
    (tmp_path / "verified.json").write_text(json.dumps(content))
    verification = Verification.load(run_of(tmp_path))
    assert verification.points[4].seeds == {2_000: {1_000: scores(3), 1_010: scores(4)}}
    assert verification.points[4].trainings == {2_000: {1: scores(5)}}
    assert verification.points[4].latency_ms == 2.5
    assert verification.points[7].seeds == {}
    assert verification.points[7].reason == "PackageError: gone"
    verification.save()
    assert json.loads((tmp_path / "verified.json").read_text())["format"] == 2
    assert Verification.load(run_of(tmp_path)) == verification


def file_of(seeds: Any, **more: Any) -> str:
    return json.dumps({"format": 2, "points": {"0": {"seeds": seeds, **more}}})


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", "null", '{"format": 99, "points": {}}', '{"format": 2}'),
        '{"format": 1, "points": {"x": {}}}',
        '{"format": 1, "num_images": 9, "points": {"0": {"seeds": 3}}}',
        '{"format": 2, "points": {"x": {}}}',
        '{"format": 2, "points": {"0": {"colour": 3}}}',
        file_of({"1000": {"1000": {}}}),
        file_of({"1000": {"1000": {"fid": None}}}),
        file_of({"1000": {"1000": {"fid": float("nan")}}}),
        file_of({"1000": [3]}),
        file_of({}, latency_ms="fast"),
        file_of({}, failed_trainings={"first": "x"}),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "verified.json").write_text(content)
    with pytest.raises(ValueError, match=r"verified\.json cannot be read .*delete it"):
        Verification.load(run_of(tmp_path))


def test_scores_hold_every_objective_that_another_draw_would_change(tmp_path: Path) -> None:
    verification = Verification(
        run_of(tmp_path, (), {"precision": 0.5}, objectives=("kid", "size_bytes"))
    )
    whole = {"fid": 3.0, "kid": 0.1, "precision": 0.5}
    assert verification.checked(whole) == whole
    for name in whole:
        with pytest.raises(ValueError, match=f"{name} is None; allowed: a finite number"):
            verification.checked({**whole, name: None})


def test_a_trials_folder_shows_all_that_is_known_of_it(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    verification = verified(tmp_path, records)
    fill(verification, 2, 8.0, 8.5, 9.0, num_images=10_000)
    for number in verification.points:
        (tmp_path / "trials" / str(number)).mkdir(parents=True)
    verification.save_points()
    content = json.loads((tmp_path / "trials" / "2" / "verified.json").read_text())
    assert {count: len(found) for count, found in content["seeds"].items()} == {
        "1000": 3,
        "10000": 3,
    }
    assert content["reason"] is None
