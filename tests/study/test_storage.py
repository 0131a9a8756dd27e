"""The journal: states and reasons as they are, and a torn line never costs a study."""

import math
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.storage import StudyStorage, cut_torn_line

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


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.binary())
@settings(deadline=None)
def test_only_a_line_without_its_end_is_cut(lines: list[bytes], torn: bytes) -> None:
    torn = torn.replace(b"\n", b"")
    whole = b"".join(line + b"\n" for line in lines)
    path = Path(f"/tmp/torn-{id(lines)}")
    try:
        path.write_bytes(whole + torn)
        cut_torn_line(path)
        assert path.read_bytes() == whole
    finally:
        path.unlink()


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
    path.write_text("this is not\na journal\n")
    with pytest.raises(ValueError, match=f"journal {path} cannot be read"):
        StudyStorage(path, OBJECTIVES)
