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
ON_RAY = {"tuning.py"}
ON_OPTUNA_STORAGE = {"storage.py"}


def imported(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
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


def test_ray_and_the_storage_each_stay_in_one_place() -> None:
    for path in (ROOT / "study").glob("*.py"):
        names = imported(path)
        on_ray = any(name.split(".")[0] == "ray" for name in names)
        assert on_ray == (path.name in ON_RAY), path
        on_storage = any(name.startswith("optuna.storages") for name in names)
        assert on_storage == (path.name in ON_OPTUNA_STORAGE), path
