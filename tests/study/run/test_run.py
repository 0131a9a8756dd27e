"""A run as it was at one moment: read beside its driver, and seen with other scores."""

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from diffusion.recipe import Recipe
from study.run.folder import JOURNAL_NAME, exclusive
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage


@pytest.fixture
def folder(tmp_path: Path, settings: RunSettings, digit_recipe: Recipe) -> Path:
    """A run of two complete trials and one that runs; the second one dominates the first."""
    save_settings(tmp_path, settings)
    storage = StudyStorage(tmp_path / JOURNAL_NAME, settings.objectives)
    for number in range(3):
        storage.accept(storage.ask(RandomSampler(seed=number)), digit_recipe)
    storage.complete(0, {"fid": 9.0, "size_bytes": 20}, 1.0)
    storage.complete(1, {"fid": 8.0, "size_bytes": 10}, 1.0)
    return tmp_path


def test_a_run_is_read_while_another_process_drives_it(folder: Path) -> None:
    before = (folder / JOURNAL_NAME).read_bytes()
    with exclusive(folder):
        run = Run.read(folder)
    assert [record.state for record in run.records] == ["complete", "complete", "running"]
    assert [record.number for record in run.complete()] == [0, 1]
    assert [record.number for record in run.front()] == [1]
    assert (folder / JOURNAL_NAME).read_bytes() == before


def test_other_scores_make_another_front(folder: Path) -> None:
    run = Run.read(folder)
    first, second, running = run.records
    seen = run.with_records([first, replace(second, feasible=False), running])
    assert [record.number for record in seen.front()] == [0]
    assert (seen.folder, seen.settings) == (run.folder, run.settings)
    assert [record.number for record in run.front()] == [1], "the run itself is as it was"
