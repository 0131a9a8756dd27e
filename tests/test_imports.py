"""The arrows between packages point one way only."""

import ast
from pathlib import Path

import pytest

from study.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "diffusion": {"ray", "optuna", "study", "search_spaces"},
    "search_spaces": {"ray", "study"},
    "study": {"tests"},
}
# Each of study's rooms imports only those before it; the commands beside them import any.
ROOMS = (
    "results",
    "run",
    "evaluation",
    "engine",
    "cluster",
    "trackers",
    "display",
    "verification",
    "cli",
    "commands",
)
ON_RAY = "cluster"
TRACKERS = {"mlflow", "tensorboard", "wandb"}
SLOW = {"bitsandbytes", "sqlalchemy", "torchvision"}


def imported(path: Path, *, at_once: bool = False) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in it.

    With `at_once` those alone that importing the file imports, not what its functions do.
    """
    names: set[str] = set()
    module = ast.parse(path.read_text())
    for node in module.body if at_once else ast.walk(module):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_above_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & FORBIDDEN[package], path


@pytest.mark.parametrize("package", FORBIDDEN)
def test_what_takes_seconds_to_import_is_imported_where_it_is_used(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        roots = {name.split(".")[0] for name in imported(path, at_once=True)}
        assert not roots & SLOW, path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_before_it(room: str) -> None:
    files = list((ROOT / "study" / room).rglob("*.py"))
    assert len(files) > 1
    allowed = {room, *ROOMS[: ROOMS.index(room)]}
    for path in files:
        names = [name.split(".") for name in imported(path)]
        assert {name[1] for name in names if name[0] == "study"} <= allowed, path


def test_the_rooms_hold_all_but_the_commands_and_the_flow() -> None:
    folders = {path.name for path in (ROOT / "study").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)
    commands = {command.module.removeprefix("study.") for command in COMMANDS.values()}
    files = {path.stem for path in (ROOT / "study").glob("*.py")}
    assert files == {"__init__", "__main__", "api", "trial", *commands}


def test_ray_stays_in_its_room() -> None:
    for path in (ROOT / "study").rglob("*.py"):
        on_ray = any(name.split(".")[0] == "ray" for name in imported(path))
        assert not on_ray or path.parent.name == ON_RAY, path


def test_a_tracker_s_package_is_imported_where_it_is_asked_for_alone() -> None:
    importers = {
        path.stem
        for path in (ROOT / "study").rglob("*.py")
        if any(name.split(".")[0] in TRACKERS or "tensorboard" in name for name in imported(path))
    }
    assert importers == {"to_mlflow", "to_wandb", "to_tensorboard", "tracking"}
    at_once = imported(ROOT / "study/trackers/tracking.py", at_once=True)
    assert not any(name.startswith("study.trackers.to_") for name in at_once)


def test_the_study_s_storage_stays_in_one_file_with_its_lock_and_database() -> None:
    # A view is a storage in memory, of the engine's own.
    holders = {
        path.relative_to(ROOT / "study").as_posix()
        for path in (ROOT / "study").rglob("*.py")
        if any(name.startswith("optuna.storages") for name in imported(path))
    }
    files = ("database.py", "journal_file.py", "journal_lock.py", "opening.py")
    assert holders == {*(f"run/{name}" for name in files), "engine/draws.py"}


def test_no_file_holds_more_than_250_lines() -> None:
    long = [
        path
        for package in (*FORBIDDEN, "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        if len(path.read_text().splitlines()) > 250
    ]
    assert long == []
