"""Recording: every end is counted once, told to all in turn, and known to a restart."""

from pathlib import Path

import optuna
from small_studies import OBJECTIVES, SCORES

from diffusion.recipe import Recipe
from study.engine.failures import Failure
from study.engine.recording import Recording
from study.engine.running import Assignment, Running
from study.results.records import TrialRecord
from study.run.storage import StudyStorage


def test_each_end_is_recorded_counted_and_told_in_order(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    storage = StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    told: list[tuple[str, int, str]] = []

    def listener(name: str, record: TrialRecord) -> None:
        told.append((name, record.number, record.state))

    running = Running()
    recording = Recording(
        storage, running, [lambda r: listener("one", r), lambda r: listener("two", r)]
    )
    for _ in range(4):
        storage.accept(storage.ask(optuna.samplers.RandomSampler(seed=0)), digit_recipe)
    running.images[2] = 100
    recording.complete(0, {**SCORES, "trained_images": 7}, 1.0)
    recording.stop(1, "behind", 1.0)
    recording.fail([Failure(2, "boom", 1.0), Failure(3, "bang", 1.0)])
    ends = [(0, "complete"), (1, "pruned"), (2, "failed"), (3, "failed")]
    assert told == [(name, *end) for end in ends for name in ("one", "two")]
    assert (recording.finished, recording.train_images) == (4, 107)
    assert running.images == {}
    again = Recording(StudyStorage(tmp_path / "study.journal", OBJECTIVES), Running(), ())
    assert (again.finished, again.train_images) == (4, 107)


def test_running_trials_are_there_until_they_are_taken_off(digit_recipe: Recipe) -> None:
    running = Running()
    for number in range(3):
        running.start(Assignment(number, digit_recipe, float(number)))
    running.stops[1] = "behind"
    running.images[1] = 64
    assert running.take_off(1) == Assignment(1, digit_recipe, 1.0)
    assert (len(running), running.stops, running.images) == (2, {}, {1: 64})
    assert running.recipes() == [digit_recipe] * 2
