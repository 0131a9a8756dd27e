"""The command makes a design where the space has none, and goes on with it."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from small_run import SETTINGS

from search_spaces import load_space
from search_spaces.space import SearchSpace
from study import search
from study.display.live import LiveView
from study.run.run import Run
from study.run.settings import RunSettings
from study.run.storage import StudyStorage


def test_a_search_of_a_space_without_a_design_begins_with_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bare(settings: RunSettings) -> SearchSpace:
        return replace(load_space(settings.space), covering=())

    monkeypatch.setattr(RunSettings, "load_space", bare)
    numbers_in_line = []
    for trials in (5, 9):  # the second one is a resume with more trials
        run = Run(tmp_path, replace(SETTINGS, trials=trials, time_budget_seconds=None), records=())
        storage = StudyStorage(tmp_path / "study.journal", run.objectives, run.limits)
        view = LiveView(Console(quiet=True), trials, (), None, run.objectives)
        assert search._dispatcher(run, storage, view).next() is not None
        numbers_in_line.append([n for n in range(9) if len(storage.records()) > n])
        assert all(storage.was_in_line(number) for number in numbers_in_line[-1])
    assert numbers_in_line == [[0], [0]], "a backbone for five trials, and no more"
