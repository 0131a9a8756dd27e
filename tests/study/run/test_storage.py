"""The journal: states and reasons as they are, and a torn line never costs a study."""

import math
import os
import tempfile
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.run.journal import mend_journal
from study.run.opening import open_study
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")


@pytest.fixture
def storage(tmp_path: Path) -> StudyStorage:
    return StudyStorage(tmp_path / "study.journal", OBJECTIVES)


def start(storage: StudyStorage, recipe: Recipe) -> int:
    trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
    storage.accept(trial, recipe)
    return trial.number


def test_every_outcome_is_kept_as_it_was(storage: StudyStorage, digit_recipe: Recipe) -> None:
    numbers = [start(storage, digit_recipe) for _ in range(3)]
    storage.complete(numbers[0], {"fid": 3.0, "size_bytes": 10, "macs": 7}, 1.5)
    storage.fail(numbers[1], "diverged", 2.5)
    storage.refuse(storage.ask(optuna.samplers.RandomSampler(seed=0)), "groups")
    complete, failed, running, infeasible = storage.records()
    assert (complete.state, complete.scores, complete.wall_seconds) == (
        "complete",
        {"fid": 3.0, "size_bytes": 10, "macs": 7},
        1.5,
    )
    assert (failed.state, failed.reason, failed.scores) == ("failed", "diverged", None)
    assert (running.state, running.recipe) == ("running", digit_recipe)
    assert (infeasible.state, infeasible.recipe, infeasible.reason) == (
        "infeasible",
        None,
        "groups",
    )
    assert [r.finished for r in storage.records()] == [True, True, False, False]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"fid": math.nan, "size_bytes": 1}, "fid is nan"),
        ({"fid": 1.0, "size_bytes": math.inf}, "size_bytes is inf"),
        ({"fid": 1.0}, "size_bytes is None"),
        ({"fid": "good", "size_bytes": 1}, "fid is 'good'"),
    ],
)
def test_scores_that_are_not_finite_are_failures_with_a_reason(
    storage: StudyStorage, digit_recipe: Recipe, scores: dict[str, object], reason: str
) -> None:
    number = start(storage, digit_recipe)
    storage.complete(number, scores, 1.0)
    record = storage.record(number)
    assert record.state == "failed"
    assert reason in (record.reason or "")


@pytest.mark.parametrize(
    ("known", "rung_images", "trained_images"),
    [(None, None, 0), (None, 16_000, 16_000), (500, None, 500), (24_000, 16_000, 24_000)],
)
def test_a_failed_trial_keeps_how_many_images_it_was_trained_on(
    tmp_path: Path,
    digit_recipe: Recipe,
    known: int | None,
    rung_images: int | None,
    trained_images: int,
) -> None:
    storage = StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    number = start(storage, digit_recipe)
    if rung_images is not None:
        storage.keep_rung(number, rung_images, {"fid": 1.0, "trained_images": rung_images})
    storage.fail(number, "boom", 1.0, known)
    record = StudyStorage(tmp_path / "study.journal", OBJECTIVES).record(number)
    assert (record.state, record.trained_images) == ("failed", trained_images)


def test_a_trial_with_scores_that_are_not_finite_was_trained_all_the_same(
    storage: StudyStorage, digit_recipe: Recipe
) -> None:
    number = start(storage, digit_recipe)
    storage.complete(number, {"fid": math.nan, "size_bytes": 1, "trained_images": 64}, 1.0)
    assert storage.record(number).trained_images == 64


def test_a_refused_trial_violates_its_constraint_and_an_accepted_one_does_not(
    storage: StudyStorage, digit_recipe: Recipe
) -> None:
    start(storage, digit_recipe)
    storage.refuse(storage.ask(optuna.samplers.RandomSampler(seed=0)), "groups")
    accepted, refused = storage.frozen_trials()
    assert list(accepted.constraints.values()) == [0.0]
    assert list(refused.constraints.values()) == [1.0]
    assert refused.state == optuna.trial.TrialState.PRUNED


def test_a_study_opens_again_with_all_it_knew(tmp_path: Path, digit_recipe: Recipe) -> None:
    path = tmp_path / "study.journal"
    first = StudyStorage(path, OBJECTIVES)
    first.complete(start(first, digit_recipe), {"fid": 1.0, "size_bytes": 2}, 3.0)
    assert StudyStorage(path, OBJECTIVES).records() == first.records()


@pytest.mark.parametrize("objectives", [("size_bytes", "fid"), ("fid",), ("fid", "macs")])
def test_other_objectives_are_refused(tmp_path: Path, objectives: tuple[str, ...]) -> None:
    StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    with pytest.raises(ValueError, match="size_bytes"):
        StudyStorage(tmp_path / "study.journal", objectives)


def test_enqueued_rows_are_asked_first_and_never_twice(storage: StudyStorage) -> None:
    rows = [{"x": 0.25}, {"x": 0.5}]
    storage.enqueue(rows)
    storage.enqueue(rows)
    drawn = []
    for _ in range(3):
        trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
        drawn.append(trial.suggest_float("x", 0, 1))
    assert drawn[:2] == [0.25, 0.5]
    storage.enqueue(rows)
    assert len(storage.frozen_trials()) == 3
    assert [storage.was_in_line(number) for number in range(3)] == [True, True, False]


@given(
    st.lists(st.integers(0, 9), max_size=5), st.integers(0, 40), st.binary(max_size=9), st.data()
)
@settings(deadline=None)
def test_only_a_line_without_its_end_is_cut(
    codes: list[int], torn: int, noise: bytes, data: st.DataObject
) -> None:
    whole = b"".join(b'{"op_code":%d}\n' % code for code in codes)
    rest = b'{"op_code":10,"worker_id":"a"}'[:torn]
    if whole:  # a block that was never written may read as anything
        rest = data.draw(st.sampled_from([rest, noise.replace(b"\n", b"")]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.journal"
        path.write_bytes(whole + rest)
        mend_journal(path)
        assert path.read_bytes() == whole


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_a_file_that_is_no_journal_keeps_every_byte(content: bytes) -> None:
    content = b"\x00" + content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.journal"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no journal of a study"):
            StudyStorage(path, OBJECTIVES)
        assert path.read_bytes() == content
        assert os.listdir(folder) == ["study.journal"]


def test_a_journal_torn_anywhere_in_its_last_line_goes_on(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    path = tmp_path / "study.journal"
    storage = StudyStorage(path, OBJECTIVES)
    storage.complete(start(storage, digit_recipe), {"fid": 1.0, "size_bytes": 2}, 3.0)
    known = storage.records()
    content = path.read_bytes()
    for cut in range(1, 60, 7):
        path.write_bytes(content + content.splitlines()[-1][:cut])
        again = StudyStorage(path, OBJECTIVES)
        assert again.records() == known
        again.fail(start(again, digit_recipe), "reason")
        assert len(StudyStorage(path, OBJECTIVES).records()) == 2


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_text("this is not\na journal")
    with pytest.raises(
        ValueError, match=f"{path} is no journal of a study: it begins with b'this"
    ):
        StudyStorage(path, OBJECTIVES)
    assert path.read_text() == "this is not\na journal"


def damaged(content: bytes, line: int, by: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[: line - 1], by + b"\n", *lines[line:]])


@pytest.mark.parametrize("by", [b"garbage", b"\xff\x00", b"[]", b"", b"{}"])
@pytest.mark.parametrize("line", [2, 4, -1])
def test_a_damaged_line_is_named_and_nothing_is_changed(
    tmp_path: Path, digit_recipe: Recipe, line: int, by: bytes
) -> None:
    path = tmp_path / "study.journal"
    storage = StudyStorage(path, OBJECTIVES)
    storage.complete(start(storage, digit_recipe), {"fid": 1.0, "size_bytes": 2}, 3.0)
    content = path.read_bytes()
    line = line if line > 0 else content.count(b"\n")
    content = damaged(content, line, by)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"journal {path} .* in line {line}"):
        StudyStorage(path, OBJECTIVES)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.journal"]


def test_directions_limits_and_early_stops_are_kept(tmp_path: Path, digit_recipe: Recipe) -> None:
    path, names, limits = tmp_path / "study.journal", ("fid", "recall"), {"size_bytes": 100.0}
    storage = StudyStorage(path, names, limits)
    numbers = [start(storage, digit_recipe) for _ in range(3)]
    for number, size in zip(numbers[:2], (100, 101), strict=True):
        storage.complete(number, {"fid": 2.0, "recall": 0.5, "size_bytes": size}, 1.0)
    storage.keep_rung(numbers[2], 16, {"fid": 9.0})
    storage.prune(numbers[2], "behind", 1.0)
    again = StudyStorage(path, names)
    assert again.limits == limits
    kept, over, pruned = again.records()
    assert (kept.feasible, over.feasible) == (True, False)
    assert over.outcome == "over a limit"
    assert (pruned.state, pruned.reason, pruned.rungs) == ("pruned", "behind", {16: {"fid": 9.0}})
    assert all(record.finished for record in again.records())
    _, study = open_study(path, names)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    with pytest.raises(ValueError, match=r"limits are .*200.*, but the study has .*100"):
        StudyStorage(path, names, {"size_bytes": 200.0})


def test_a_limited_score_that_is_not_finite_is_a_failure(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    storage = StudyStorage(tmp_path / "study.journal", ("fid",), {"latency_ms": 5.0})
    number = start(storage, digit_recipe)
    storage.complete(number, {"fid": 1.0, "latency_ms": math.nan}, 1.0)
    assert storage.record(number).reason == "latency_ms is nan; allowed: a finite number"


def test_a_model_worse_than_noise_is_feasible_in_no_study(
    storage: StudyStorage, digit_recipe: Recipe
) -> None:
    for fid in (689.0, 691.0):
        number = start(storage, digit_recipe)
        storage.complete(number, {"fid": fid, "fid_noise": 690.0, "size_bytes": 1}, 1.0)
    better, worse = storage.records()
    assert (better.feasible, better.reason) == (True, None)
    assert (worse.state, worse.feasible) == ("complete", False)
    assert worse.reason == "fid 691.0 is worse than uniform noise's 690.0"
    assert storage.frozen_trials()[1].constraints["max_fid_noise"] > 0
