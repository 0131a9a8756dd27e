"""The engine of a run makes a design where its space has none, and goes on with it."""

from dataclasses import replace
from pathlib import Path

from small_run import SETTINGS
from small_studies import QUICK, Log

from study.engine.assembly import dispatcher_of
from study.run.run import Run
from study.run.storage import StudyStorage


def test_a_search_of_a_space_without_a_design_begins_with_one_of_its_own(tmp_path: Path) -> None:
    bare = replace(QUICK, covering=())
    numbers_in_line = []
    for trials in (5, 9):  # the second one is a resume with more trials
        run = Run(tmp_path, replace(SETTINGS, trials=trials, time_budget_seconds=None), records=())
        storage = StudyStorage(tmp_path / "study.journal", run.objectives, run.limits)
        assert dispatcher_of(run, bare, storage, Log()).next() is not None
        numbers_in_line.append([n for n in range(9) if len(storage.records()) > n])
        assert all(storage.was_in_line(number) for number in numbers_in_line[-1])
    assert numbers_in_line == [[0], [0]], "a backbone for five trials, and no more"
