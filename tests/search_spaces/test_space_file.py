"""A file of one's own makes a space, or one line that says why not."""

import hashlib
import os
from pathlib import Path

import optuna
import pytest

from diffusion.recipe import DataConfig, Recipe
from search_spaces.space_file import read_space_file

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
GOOD = """
from diffusion.recipe import NetworkConfig, Recipe, TrainingConfig

def suggest(trial, data):
    width = trial.suggest_categorical("backbone.width", [8, 16])
    network = NetworkConfig("mini_ddpm", (width, 2 * width), patch_size=2)
    return Recipe(data, network, TrainingConfig(train_images=64))
"""


def written(folder: Path, text: str, name: str = "my_space.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_function_makes_a_space_without_a_design(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    space, sha256 = read_space_file(path)
    assert (space.name, space.covering) == ("my_space", ())
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    recipe = space.recipe({"backbone.width": 16}, DATA)
    assert isinstance(recipe, Recipe)
    assert recipe.network.widths == (16, 32)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def suggest(trial, data:\n", "raised SyntaxError"),
        ("import nothing_of_the_kind\n", "raised ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", "raised SystemExit: 3"),
        ("x = 1\n", r"has no function suggest\(trial, data\)"),
        ("suggest = 5\n", "has no function suggest"),
        ("def suggest(trial):\n    pass\n", "suggest takes other arguments; allowed: trial, data"),
    ],
)
def test_what_makes_no_space_is_told_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ValueError, match=line) as error:
        read_space_file(written(tmp_path, text))
    assert "my_space.py" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_has_no_fit_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.py cannot be read: No such file"):
        read_space_file(tmp_path / "none.py")
    os.mkfifo(tmp_path / "fifo.py")
    with pytest.raises(ValueError, match=r"fifo\.py cannot be read: "):
        read_space_file(tmp_path / "fifo.py")
    with (tmp_path / "huge.py").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="it has 1,099,511,627,776 bytes; allowed: up to"):
        read_space_file(tmp_path / "huge.py")
    with pytest.raises(ValueError, match="allowed: a name of letters, digits, _ and -"):
        read_space_file(written(tmp_path, GOOD, "my space.py"))


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("    return None\n", "suggest returned NoneType; allowed: a Recipe"),
        (
            "    from dataclasses import replace\n"
            "    return replace(made(trial, data), data=replace(data, num_classes=3))\n",
            "suggest changed the data",
        ),
    ],
)
def test_what_is_no_recipe_of_the_data_is_refused(tmp_path: Path, end: str, line: str) -> None:
    text = GOOD.replace("def suggest", "def made") + "\ndef suggest(trial, data):\n" + end
    space, _ = read_space_file(written(tmp_path, text))
    trial = optuna.create_study().ask()
    with pytest.raises((TypeError, ValueError), match=line):
        space.suggest(trial, DATA)
