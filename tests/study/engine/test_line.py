"""A design's rows in turns with drawn trials: where they come, whatever happens in between."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler
from small_studies import (
    DATA,
    OBJECTIVES,
    QUICK,
    SCORES,
    dispatcher,
    proposed,
    run,
    states,
    take,
    take_all,
)

from diffusion.recipe import Recipe
from search_spaces.space import Value
from study.engine.draws import fixing
from study.engine.knob_sets import backbone_knobs
from study.engine.proposer import Proposer
from study.run.storage import StudyStorage

BACKBONES = [QUICK.covering[place] for place in (0, 1, 12, 14, 15, 17)]  # one row of each
IN_TURNS = replace(QUICK, covering=BACKBONES, covering_first=2)


def source(folder: Path | None = None, reuse_share: float = 0.75) -> Proposer:
    storage = StudyStorage(None if folder is None else folder / "study.journal", OBJECTIVES)
    return Proposer(replace(IN_TURNS, reuse_share=reuse_share), DATA, storage, 0)


def rows(storage: StudyStorage) -> list[int]:
    """Return the numbers of the trials that were in line."""
    return [r.number for r in storage.records() if storage.was_in_line(r.number)]


def in_turn(storage: StudyStorage, count: int) -> list[dict[str, Value]]:
    """Return the first rows but those whose backbones were drawn before."""
    first = {backbone_knobs(t.params): t.number for t in reversed(storage.frozen_trials())}
    drawn = {knobs for knobs, number in first.items() if not storage.was_in_line(number)}
    return [dict(row) for row in BACKBONES if backbone_knobs(row) not in drawn][:count]


@pytest.mark.parametrize(
    ("reuse_share", "expected"),
    [
        (0.75, [0, 1, 5, 9, 13, 17]),
        (0.5, [0, 1, 3, 5, 7, 9]),
        (0.0, [0, 1, 2, 3, 4, 5]),
        (1.0, [0, 1]),
    ],
)
def test_a_further_row_waits_for_the_drawn_trials_that_its_space_asks_for(
    reuse_share: float, expected: list[int]
) -> None:
    proposer = source(reuse_share=reuse_share)
    run(proposer, 20)
    found = rows(proposer.storage)
    assert found == expected[: len(found)]
    assert len(found) == len(in_turn(proposer.storage, len(expected)))
    begun = [proposer.storage.frozen_trials()[number].params for number in found]
    assert begun == [pytest.approx(row) for row in in_turn(proposer.storage, len(found))]


def test_rows_do_not_wait_while_no_trial_is_complete() -> None:
    proposer = source()
    numbers = [(proposed(proposer) or pytest.fail("none"))[0] for _ in range(4)]
    assert rows(proposer.storage) == numbers == [0, 1, 2, 3]
    proposer.storage.complete(0, {"fid": 1.0, "size_bytes": 2}, 1.0)
    proposed(proposer)
    assert rows(proposer.storage) == numbers, "two rows came early, so that others wait longer"


def test_a_study_that_is_interrupted_anywhere_goes_on_with_the_same_rows(tmp_path: Path) -> None:
    for _ in range(14):
        run(source(tmp_path), 1)
    assert rows(source(tmp_path).storage) == [0, 1, 5, 9, 13]


def test_a_row_that_was_put_in_line_before_a_crash_is_the_next(tmp_path: Path) -> None:
    proposer = source(tmp_path)
    run(proposer, 5)
    proposer.storage.enqueue([BACKBONES[2]])
    assert len(proposer.storage.records()) == 6
    assert proposed(source(tmp_path)) is not None
    assert rows(source(tmp_path).storage) == [0, 1, 5]


def test_a_row_comes_before_its_turn_where_it_is_asked_for() -> None:
    proposer = source()
    run(proposer, 3)
    assert proposer.line_up()
    assert proposer.line_up(), "it waits, and no other one is put behind it"
    number, recipe = proposed(proposer) or pytest.fail("none")
    assert rows(proposer.storage) == [0, 1, number]
    assert recipe.key == QUICK.recipe(BACKBONES[2], DATA).key


def test_a_row_whose_backbone_was_tried_meanwhile_is_passed_over(tmp_path: Path) -> None:
    proposer = source(tmp_path)
    run(proposer, 2)
    drawn = fixing(dict(BACKBONES[2]), RandomSampler(seed=0))
    trial = proposer.storage.ask(drawn)
    recipe = QUICK.suggest(trial, DATA)
    proposer.storage.accept(trial, recipe)
    proposer.storage.complete(trial.number, {"fid": 1.0, "size_bytes": 2}, 1.0)
    for _ in range(4):
        run(source(tmp_path), 1)
    found = source(tmp_path).storage.rows_put_in_line()
    assert len(found) == 3
    assert found == in_turn(source(tmp_path).storage, 3)
    assert dict(BACKBONES[2]) not in found


def test_a_row_that_is_refused_uses_up_no_turn() -> None:
    def refusal(recipe: Recipe) -> str | None:
        return "not this" if recipe.key == QUICK.recipe(BACKBONES[2], DATA).key else None

    storage = StudyStorage(None, OBJECTIVES)
    run(Proposer(IN_TURNS, DATA, storage, 0, refusal=refusal), 8)
    assert rows(storage) == [0, 1, 5, 6]
    assert storage.records()[5].state == "infeasible"


def test_rows_that_are_left_are_tried_before_a_space_is_called_exhausted() -> None:
    keys = {QUICK.recipe(row, DATA).key for row in BACKBONES}

    def refusal(recipe: Recipe) -> str | None:
        return None if recipe.key in keys else "in line alone"

    storage = StudyStorage(None, OBJECTIVES)
    proposer = Proposer(IN_TURNS, DATA, storage, 0, refusal=refusal)
    run(proposer, len(BACKBONES))
    assert proposed(proposer) is None
    assert len(rows(storage)) == len(BACKBONES)


def test_where_no_row_is_first_a_study_begins_with_one_even_so() -> None:
    storage = StudyStorage(None, OBJECTIVES)
    run(Proposer(replace(IN_TURNS, covering_first=0), DATA, storage, 0), 9)
    assert rows(storage) == [0, 7]


def test_more_workers_than_rows_get_trainings_of_other_backbones() -> None:
    taken = take_all(dispatcher(None, 40, space=IN_TURNS), 10)
    keys = [assignment.recipe.backbone_key for assignment in taken]
    assert len(set(keys)) == len(keys) == 10


def test_a_row_that_would_be_late_waits_for_a_resume_with_more_time(tmp_path: Path) -> None:
    late = dispatcher(tmp_path, deadline=time.time() + 1_000, space=IN_TURNS)
    for assignment in take(late, 2):
        late.end(assignment.number, {**SCORES, "train_seconds": 10_000.0}, None)
    take_all(late, 20)
    waiting = [n for n in rows(source(tmp_path).storage) if n > 1]
    states_there = states(tmp_path)
    assert waiting
    assert {states_there[number] for number in waiting} == {"running"}
    more = dispatcher(tmp_path, space=IN_TURNS)
    assert waiting[0] in {assignment.number for assignment in take_all(more, 20)}


def test_all_idle_workers_of_a_new_study_begin_with_rows() -> None:
    taken = take(dispatcher(None, space=IN_TURNS), len(BACKBONES))
    found = [assignment.recipe.key for assignment in taken]
    assert found == [QUICK.recipe(row, DATA).key for row in BACKBONES]
