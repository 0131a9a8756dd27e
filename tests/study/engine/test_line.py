"""A design's rows in turns with drawn trials: where they come, whatever happens in between."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_studies import DATA, OBJECTIVES, QUICK, dispatcher, proposed, run, take

from study.engine.proposer import Nothing, Proposal, Proposer
from study.run.storage import StudyStorage

BACKBONES = [QUICK.covering[place] for place in (0, 1, 12, 14, 15, 17)]  # one row of each
IN_TURNS = replace(QUICK, covering=BACKBONES, covering_first=2)


def source(folder: Path | None = None, reuse_share: float = 0.75) -> Proposer:
    storage = StudyStorage(None if folder is None else folder / "study.journal", OBJECTIVES)
    return Proposer(replace(IN_TURNS, reuse_share=reuse_share), DATA, storage, 0)


def rows(storage: StudyStorage) -> list[int]:
    """Return the numbers of the trials that were in line."""
    return [r.number for r in storage.records() if storage.was_in_line(r.number)]


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
    assert rows(proposer.storage) == expected
    begun = [proposer.storage.frozen_trials()[number].params for number in expected]
    assert begun == [pytest.approx(row) for row in BACKBONES[: len(expected)]]


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
    assert proposer.has_line()
    assert len(proposer.storage.records()) == 6
    assert proposed(source(tmp_path)) is not None
    assert rows(source(tmp_path).storage) == [0, 1, 5]


def test_a_row_comes_before_its_turn_where_a_training_is_asked_for() -> None:
    proposer = source()
    run(proposer, 3)
    assert not proposer.has_line()
    number, recipe = _trained(proposer)
    assert proposer.storage.was_in_line(number)
    assert recipe.key == QUICK.recipe(BACKBONES[2], DATA).key


def test_all_idle_workers_of_a_new_study_begin_with_rows() -> None:
    taken = take(dispatcher(None, space=IN_TURNS), len(BACKBONES))
    found = [assignment.recipe.key for assignment in taken]
    assert found == [QUICK.recipe(row, DATA).key for row in BACKBONES]


def _trained(proposer: Proposer) -> Proposal:
    while (proposal := proposer.propose_anew()) is Nothing.NOT_YET:
        pass
    assert not isinstance(proposal, Nothing)
    return proposal
