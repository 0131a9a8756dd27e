"""How a run stands is said from outside, whether its driver is at work or gone."""

import dataclasses
import io
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler
from rich.console import Console
from small_run import SETTINGS, run_of

from diffusion.recipe import Recipe
from study.cluster.nodes import NodeUse
from study.commands.status import nodes_table, trials_line, without_driver
from study.results.records import TrialRecord
from study.run.folder import JOURNAL_NAME, exclusive
from study.run.settings import save_settings
from study.run.storage import StudyStorage
from study.status import main

NOW = 1_800_000_000.0


@pytest.fixture
def run_dir(tmp_path: Path, digit_recipe: Recipe) -> Path:
    """A run with a trial at work and one that ended."""
    folder = tmp_path / "run"
    folder.mkdir()
    save_settings(folder, SETTINGS)
    storage = StudyStorage(folder / JOURNAL_NAME, SETTINGS.objectives)
    for _ in range(2):
        trial = storage.ask(RandomSampler(seed=0))
        storage.accept(trial, digit_recipe)
    storage.fail(0, "boom", 1.0)
    storage.keep_place(1, "process 12 on large")
    return folder


def test_a_running_trial_is_told_with_its_worker(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(run_dir):
        assert main([str(run_dir)]) == 0
    said = capsys.readouterr().out
    assert "driver   at work\n" in said
    assert f"1 of {SETTINGS.trials} finished (1 failed); 1 in the last hour" in said
    line = next(line for line in said.splitlines() if line.startswith("1 "))
    assert "process 12 on large" in line
    assert "ago" in line


def test_where_the_driver_is_gone_the_command_that_goes_on_is_told(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(run_dir)])
    said = capsys.readouterr().out
    assert f"gone; go on with: python -m study.search --resume {run_dir}" in said
    assert "cut off, begun" in said
    with exclusive(run_dir):
        pass  # a look does not keep a driver off


def test_a_run_at_its_end_is_not_to_be_gone_on_with(tmp_path: Path) -> None:
    ended = [TrialRecord(n, "failed", None) for n in range(SETTINGS.trials)]
    assert without_driver(run_of(tmp_path, ended)) == "gone, all trials have ended"
    own_space = run_of(tmp_path, ended[1:], space_sha256="ab" * 32)
    assert without_driver(own_space).endswith(" --space FILE")


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        ([], "0 of 24 finished"),
        ([NOW - 10], "1 of 24 finished (1 failed); 1 in the last hour"),
        ([NOW - 10, NOW - 4_000], "2 of 24 finished (2 failed); 1 in the last hour"),
    ],
)
def test_the_rate_is_that_of_the_last_hour(ends: list[float], line: str, tmp_path: Path) -> None:
    records = [TrialRecord(n, "failed", None, end_time=end) for n, end in enumerate(ends)]
    run = run_of(tmp_path, records)
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, trials=24))
    assert trials_line(run, NOW) == line


def test_nodes_are_told_with_what_is_in_use() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(nodes_table([NodeUse("large", 8.0, 2.0, 1.0, 0.5)]))
    assert out.getvalue().splitlines()[1].split() == ["large", "2", "of", "8", "0.5", "of", "1"]


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no run of a study"):
        main([str(tmp_path)])
