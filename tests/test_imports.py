"""The arrows between packages point one way only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "diffusion": {"ray", "optuna", "study", "search_spaces"},
    "search_spaces": {"ray", "study"},
    "study": {"tests"},
}
# The only files on Ray, and the only ones on Optuna's storage.
ON_RAY = {"tuning.py", "scheduler.py", "tasks.py"}
ON_OPTUNA_STORAGE = {"storage.py", "views.py"}  # a view is a storage in memory
SLOW = {"bitsandbytes", "torchvision"}


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


def test_ray_and_the_storage_each_stay_in_one_place() -> None:
    for path in (ROOT / "study").glob("*.py"):
        names = imported(path)
        on_ray = any(name.split(".")[0] == "ray" for name in names)
        assert on_ray == (path.name in ON_RAY), path
        on_storage = any(name.startswith("optuna.storages") for name in names)
        assert on_storage == (path.name in ON_OPTUNA_STORAGE), path
