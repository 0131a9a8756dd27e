"""The commands on a run whose study is in a database: as on one with a journal, or one line."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler
from ordeal import Ordeal, check_whole, kill_driver
from refusals import Refused

from diffusion.recipe import Recipe
from study import record, search, status, tables, verify
from study.run.database import Database
from study.run.folder import exclusive
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage

SCORES = {"fid": 9.0, "size_bytes": 70, "train_images": 64, "trained_images": 64}


@pytest.mark.timeout(1800)  # three starts of Ray, on a busy machine too
def test_a_killed_study_is_the_undisturbed_one_of_a_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--trials", "9", "--concurrent-trials", "1", "--seed", "5"]
    undisturbed = Ordeal(tmp_path / "study-run-a", "staged", arguments, 0.0, 0)
    undisturbed.suffer([])
    in_database = [*arguments, "--storage", f"sqlite:///{tmp_path}/studies.db"]
    killed = Ordeal(tmp_path / "study-run-b", "staged", in_database, 0.5, 1, held_from=6)
    killed.suffer([kill_driver])
    assert killed.killed == ["kill_driver"], "the study was over before it was killed"
    assert killed.finished() == undisturbed.finished()
    check_whole(killed.run, 9)
    assert {path.name for path in killed.run.iterdir()} == {
        *(".mark", "run.json", "study.lock", "backbones", "trials", "front", "report.html")
    }
    assert status.main([str(killed.run)]) == 0
    assert "9 of 9 finished (" in capsys.readouterr().out


@pytest.fixture
def run(settings: RunSettings, digit_recipe: Recipe, tmp_path: Path) -> Path:
    """A run of a published system in a database, with one complete trial."""
    folder = tmp_path / "run"
    (folder / "trials" / "0").mkdir(parents=True)
    kept = dataclasses.replace(
        settings,
        **{"space": "system-a-ncsn", "space_edition": 1},
        **{"storage": f"sqlite:///{tmp_path}/studies.db", "study_name": "run-00000000"},
    )
    save_settings(folder, kept)
    (folder / "study.lock").touch()
    storage = StudyStorage(kept.database, kept.objectives, {})
    trial = storage.ask(RandomSampler(seed=0))
    storage.accept(trial, digit_recipe)
    storage.complete(trial.number, SCORES, 1.5)
    return folder


COMMANDS: dict[str, Callable[[Path], int]] = {
    "search": lambda run: search.main(["--resume", str(run)]),
    "search with time": lambda run: search.main(["--resume", str(run), "--time-budget", "9s"]),
    "verify": lambda run: verify.main([str(run)]),
    "status": lambda run: status.main([str(run)]),
    "tables": lambda run: tables.main([str(run)]),
    "record": lambda run: record.main([str(run)]),
}


@pytest.mark.parametrize("command", ["status", "tables", "record"])
def test_readers_find_a_run_s_trials_in_its_database(command: str, run: Path) -> None:
    before = (run.parent / "studies.db").read_bytes()
    assert COMMANDS[command](run) == 0
    assert [found.state for found in Run.read(run).records] == ["complete"]
    assert (run.parent / "studies.db").read_bytes() == before


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("damage", ["missing", "another", "garbage"])
def test_a_database_that_is_not_the_run_s_is_one_line_and_stays_as_it_is(
    command: str, damage: str, run: Path, refused: Refused
) -> None:
    database = run.parent / "studies.db"
    database.unlink()
    if damage == "another":
        StudyStorage(Database(f"sqlite:///{database}", "other"), ("fid",))
    if damage == "garbage":
        database.write_bytes(b"no database" * 999)
    before = {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()}
    line = refused(lambda: COMMANDS[command](run))
    said = {"missing": "is missing", "another": "is missing; allowed: ", "garbage": "not a datab"}
    assert f"sqlite:///{database} " in line
    assert said[damage] in line
    after = {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.usefixtures("without_ray")
def test_a_run_that_is_driven_is_refused_to_others(run: Path, refused: Refused) -> None:
    with exclusive(run, RunSettings.load(run).database):
        assert "is in use by another process" in refused(lambda: COMMANDS["verify"](run))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere", "--storage is no URL of a database; allowed: like postgresql+psycopg://"),
        ("etcd://host/db", "--storage is of an unknown kind, 'etcd'; allowed: like postgresql"),
        ("sqlite:////no/such/x.db", "database sqlite:////no/such/x.db cannot be: /no/such is no"),
        ("sqlite:////dev/null", "database sqlite:////dev/null is no regular file"),
        ("postgresql://me:hidden@host/db", "--storage has a password in its URL; allowed: a URL"),
        ("postgresql://host/db?password=hidden", "--storage has a password in its URL; allowed:"),
    ],
)
def test_a_search_refuses_a_wrong_url_in_one_line_and_writes_nothing(
    url: str, message: str, tmp_path: Path, refused: Refused
) -> None:
    line = refused(lambda: search.main(["--storage", url, "--out", str(tmp_path / "runs")]))
    assert line.startswith(f"error: {message}")
    assert "hidden" not in line
    assert list(tmp_path.iterdir()) == []
