"""What is next: one training of a backbone at a time, and many of different ones."""

from dataclasses import replace
from pathlib import Path

import pytest
from screened_world import step, study
from small_studies import (
    ALL_BACKBONES,
    BACKBONES,
    DATA,
    OBJECTIVES,
    QUICK,
    SCORES,
    dispatcher,
    one_knob,
    rung,
    states,
    stop_one,
    take,
    take_all,
)

from search_spaces import load_space
from search_spaces.space import SearchSpace
from study.engine.choice import MOST_HELD, NEARLY_TRAINED, Choice
from study.engine.design import with_design
from study.engine.trainings import Trainings
from study.evaluation.context import TRAIN
from study.run.storage import StudyStorage

MNIST = load_space("mnist")
MNIST = with_design(MNIST, DATA, StudyStorage(None, OBJECTIVES), 0, 100, screens=True)
IN_TURNS = replace(QUICK, covering_first=2)
IN_LINE = len(QUICK.covering)


def test_a_backbone_in_training_is_not_handed_out_again(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, len(QUICK.covering))
    first = take(source, BACKBONES)
    assert len({a.recipe.backbone_key for a in first}) == BACKBONES
    assert source.next() is None, "every other covering row needs one of these backbones"
    assert not source.ended
    done = first[0]
    source.end(done.number, SCORES, None)
    for assignment in take(source, 2):
        assert assignment.recipe.backbone_key == done.recipe.backbone_key


def test_a_failed_training_lets_the_next_one_try(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, len(QUICK.covering))
    failed = take(source, BACKBONES)[0]
    source.end(failed.number, None, "out of memory")
    (again,) = take(source, 1)
    assert again.recipe.backbone_key == failed.recipe.backbone_key
    assert source.next() is None, "and again one training of it at a time"


def test_trials_left_running_are_adopted_under_their_numbers_first(tmp_path: Path) -> None:
    before = take(dispatcher(tmp_path), 2)  # and then the driver dies
    source = dispatcher(tmp_path)
    adopted = take(source, 2)
    assert [(a.number, a.recipe) for a in adopted] == [(b.number, b.recipe) for b in before]
    (new,) = take(source, 1)
    assert new.number not in {a.number for a in adopted}
    assert set(states(tmp_path).values()) == {"running"}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_stopped_training_is_not_gone_on_with(tmp_path: Path, restarted: bool) -> None:
    source = dispatcher(tmp_path)
    behind, others = stop_one(source)
    source.end(behind.number, None, None)
    for other in others:
        source.end(other.number, SCORES, None)
    if restarted:
        source = dispatcher(tmp_path)
    for _ in range(10):
        (next_one,) = take(source, 1)
        assert next_one.recipe.backbone_key != behind.recipe.backbone_key
        source.end(next_one.number, SCORES, None)


def test_a_trial_that_waited_for_a_stopped_training_is_withdrawn(tmp_path: Path) -> None:
    asked = len(QUICK.covering)
    source = dispatcher(tmp_path, asked)
    taken = take(source, BACKBONES)
    assert source.next() is None  # all that is in line now waits for one of them
    waiting = {n for n, state in states(tmp_path).items() if state == "running"}
    waiting -= {a.number for a in taken}
    for place, assignment in enumerate(taken):
        # The first half is a front; each of the others is worse than all before it.
        size_bytes = 100 - place if place < BACKBONES // 2 else 100 + place
        going = source.judge(assignment.number, 16_000, rung(10 + place, size_bytes))
        source.end(assignment.number, SCORES if going else None, None)
    stopped = {a.recipe.backbone_key for a in taken if states(tmp_path)[a.number] == "pruned"}
    assert len(stopped) == BACKBONES // 2
    seen = set()
    while (next_one := source.next()) is not None:
        seen.add(next_one.number)
        assert next_one.recipe.backbone_key not in stopped
        source.end(next_one.number, SCORES, None)
    withdrawn = waiting - seen
    assert withdrawn
    assert {states(tmp_path)[number] for number in withdrawn} == {"infeasible"}
    finished = [s for s in states(tmp_path).values() if s in ("complete", "pruned", "failed")]
    assert len(finished) == asked, "the withdrawn do not count"


def test_without_reuse_no_trial_waits_for_another(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, reuse=False)
    taken = take(source, BACKBONES + 2)
    assert len({a.recipe.backbone_key for a in taken}) < len(taken)


@pytest.mark.parametrize(
    ("space", "trials", "workers", "trainings"),
    [
        (QUICK, 60, 30, ALL_BACKBONES),  # as many as the space has
        (QUICK, 60, 18, 18),
        (QUICK, 24, 8, 8),
        (QUICK, IN_LINE, 18, BACKBONES),  # the rows in line are the whole budget
        (QUICK, IN_LINE + 2, 18, BACKBONES + 2),
        (MNIST, 100, 18, 18),
        (MNIST, 100, 2, 2),
        (IN_TURNS, 60, 18, 18),  # the rows first, before their turns
    ],
)
def test_every_worker_gets_a_training_as_long_as_there_are_others(
    space: SearchSpace, trials: int, workers: int, trainings: int
) -> None:
    source = dispatcher(None, trials, space=space)
    taken = take_all(source, workers)
    assert len(taken) == len({a.recipe.backbone_key for a in taken}) == trainings
    assert not source.ended


def test_new_backbones_for_idle_workers_do_not_exhaust_the_space() -> None:
    source = dispatcher(None, 60)
    taken = take_all(source)
    assert len(taken) == ALL_BACKBONES
    for _ in range(60 - len(taken)):
        source.end(taken[0].number, SCORES, None)
        taken = [*taken[1:], *take(source, 1)]
    for assignment in taken:
        source.end(assignment.number, SCORES, None)
    assert source.next() is None
    assert source.ended


def test_what_is_in_line_is_held_before_anything_is_drawn(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, 60)
    take_all(source)
    storage = StudyStorage(tmp_path / "study.journal", ("fid", "size_bytes"))
    assert "waiting" not in [record.state for record in storage.records()]
    drawn = [r.number for r in storage.records() if not storage.was_in_line(r.number)]
    assert len(drawn) == ALL_BACKBONES - BACKBONES, "each of them trains"


def test_only_so_many_drawn_trials_wait_for_a_training() -> None:
    """Where one backbone was trained and another is, draws for that one do not run ahead."""
    space = replace(QUICK, covering=QUICK.covering[:2])
    source = dispatcher(None, 1000, space=space)
    done, busy = take(source, 2)
    source.end(done.number, SCORES, None)
    taken = [busy.number]
    while len(taken) < 200 and (another := source.next()) is not None:
        taken.append(another.number)
    begun = 1 + len(taken)
    assert max(taken) + 1 - begun <= MOST_HELD


def images_to_train(trials: int, workers: int, room: int) -> int:
    """Return what is drawn after some trials of a screened study has to train on."""
    source = study(space=replace(QUICK, covering=QUICK.covering[:2]))
    done = [step(source)[1] for _ in range(trials)]
    trainings = Trainings(source.storage.records(), OBJECTIVES)
    choice = Choice(source, trainings, source.storage.records())
    proposal = choice.next(done[: workers - 1], room)
    assert proposal is not None
    return trainings.images_left([proposal[1]])


@pytest.mark.parametrize(
    ("trials", "train_images", "shortest_room"),
    [(3, 32_000, 3), (5, 80_000, 9)],  # a cool-down takes 4 scorings, of a training 16 count
)
def test_nothing_is_trained_that_outlasts_the_trials_of_the_others(
    trials: int, train_images: int, shortest_room: int
) -> None:
    """A trial takes two scorings; another worker, or later this one, has one trial less left."""
    for workers in (1, 2):
        assert images_to_train(trials, workers, shortest_room) == train_images
        assert images_to_train(trials, workers, shortest_room - 1) < train_images
    assert images_to_train(trials, 3, 2 * shortest_room - 1) == train_images
    assert images_to_train(trials, 3, 2 * shortest_room - 2) < train_images


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_last_trial_trains_nothing(workers: int) -> None:
    assert images_to_train(3, workers, 1) == images_to_train(9, workers, 1) == 0


def test_the_last_trial_trains_where_there_is_nothing_else() -> None:
    space = replace(QUICK, name="one-knob", suggest=one_knob, covering=())
    source = dispatcher(None, 2, space=space)
    for _ in range(2):
        (last,) = take(source, 1)
        source.end(last.number, SCORES, None)
    assert source.next() is None
    assert source.ended


NEARLY = ((TRAIN, NEARLY_TRAINED),)


@pytest.mark.parametrize(
    ("told", "reuse", "is_stopped", "waits"),
    [
        (NEARLY, True, False, True),
        (((TRAIN, NEARLY_TRAINED - 0.01),), True, False, False),
        (((TRAIN, 1.0),), True, False, True),
        (((TRAIN, 0.9), (TRAIN, 1.0), ("generate", 0.1)), True, False, True),
        ((("generate", 0.9),), True, False, False),  # of a backbone that is not trained now
        (NEARLY, False, False, False),  # no other trial would use it
        (NEARLY, True, True, False),  # it will not end as one that is used
    ],
)
def test_a_free_worker_waits_for_a_first_training_that_is_nearly_done(
    told: tuple[tuple[str, float], ...], reuse: bool, is_stopped: bool, waits: bool
) -> None:
    source = dispatcher(None, 60, reuse=reuse)
    first, second = take(source, 2)
    for stage, share in told:
        source.progress(first.number, stage, share)
    if is_stopped:
        assert source.judge(second.number, 16_000, rung(10, 100))
        assert not source.judge(first.number, 16_000, rung(100, 1000))
    assert bool(take_all(source, 1)) != waits
    assert not source.ended
    source.end(first.number, SCORES, None)
    assert source.next() is not None


def test_a_first_training_that_fails_is_not_waited_for_any_more() -> None:
    source = dispatcher(None, 60)
    first, _ = take(source, 2)
    source.progress(first.number, TRAIN, 0.9)
    assert source.next() is None
    source.end(first.number, None, "TrainingDiverged")
    assert source.next() is not None


def test_once_a_training_is_done_none_is_waited_for() -> None:
    source = dispatcher(None, 60)
    first, second = take(source, 2)
    source.end(first.number, SCORES, None)
    source.progress(second.number, TRAIN, 0.9)
    assert source.next() is not None


def test_named_rows_wait_for_no_training() -> None:
    space = load_space("system-a-ncsn")
    source = dispatcher(None, 60, space=space)
    first, _ = take(source, 2)
    source.progress(first.number, TRAIN, 0.9)
    assert take_all(source, 1)
