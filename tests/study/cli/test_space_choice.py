"""The space that a command line asks for, by name or file, and what a resume may take for it."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_run import SETTINGS

from benchmarks.hand_made import HAND_MADE
from diffusion.recipe import DataConfig
from search_spaces import load_space
from search_spaces.space import SpaceOptions
from study.cli.space_choice import check_own_space, run_space, space_choice

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
HEAD = """
from diffusion.recipe import (
    CompressionConfig, NetworkConfig, Recipe, SamplingConfig, TrainingConfig
)

def recipe(data, width=8, step=1.0, guidance=2.0):
    network = NetworkConfig("mini_ddpm", (width, 2 * width), patch_size=2)
    compression = CompressionConfig(quantization="uniform", quantization_step=step)
    sampling = SamplingConfig(steps=8, guidance=guidance)
    training = TrainingConfig(train_images=64)
    return Recipe(data, network, training, compression=compression, sampling=sampling)

def suggest(trial, data):
"""
GOOD = (
    '    width = trial.suggest_categorical("backbone.width", [8, 16])\n'
    '    step = trial.suggest_float("compression.step", 0.5, 2.0)\n'
    '    return recipe(data, width, step, trial.suggest_float("sampling.guidance", 1.0, 3.0))\n'
)


def written(folder: Path, body: str, name: str = "mine.py") -> str:
    (folder / name).write_text(HEAD + body)
    return str(folder / name)


def test_a_name_is_one_of_ours_and_a_file_is_hashed(tmp_path: Path) -> None:
    ours = space_choice("quick")
    assert (ours.name, ours.sha256) == ("quick", None)
    row = HAND_MADE[0]
    assert ours.make(SpaceOptions()).recipe(row, DATA) == load_space("quick").recipe(row, DATA)
    own = space_choice(written(tmp_path, GOOD))
    assert own.name == "mine"
    assert own.sha256 is not None
    space = own.make(SpaceOptions(train_images=99, precision="bf16"))
    knobs = {"backbone.width": 8, "compression.step": 1.0, "sampling.guidance": 2.0}
    training = space.recipe(knobs, DATA).training
    assert (training.train_images, training.precision) == (99, "bf16")
    check_own_space(space, DATA)


def test_a_file_named_like_a_space_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a file of another name than our spaces have"):
        space_choice(written(tmp_path, GOOD, "quick.py"))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            "    return recipe(data, 7)\n",
            "makes no network in 100 draws; the first: .*width",
        ),
        (
            "    return recipe(data, step=-1.0)\n",
            "makes no network in 100 draws; the first: .*step",
        ),
        ('    raise KeyError("x")\n', "search space 'mine' raised KeyError: 'x'"),
        ("    return 5\n", "raised TypeError: suggest returned int; allowed: a Recipe"),
        (
            '    return recipe(data, trial.suggest_categorical("width", [8, 16, 24, 32]))\n',
            r"trains anew where no knob named backbone\.\* differs",
        ),
        (
            '    images = trial.suggest_categorical("images", [32, 64, 96, 128])\n'
            '    return recipe(data).with_changes({"training.train_images": images})\n',
            r"trains anew where no knob named backbone\.\* differs",
        ),
        (
            '    return recipe(data, step=trial.suggest_float("sampling.step", 0.5, 2.0))\n',
            r"has a knob named sampling\.\* that changes the model",
        ),
    ],
)
def test_a_space_of_no_use_is_refused_before_a_study(tmp_path: Path, body: str, line: str) -> None:
    space = space_choice(written(tmp_path, body)).make(SpaceOptions())
    with pytest.raises(ValueError, match=line):
        check_own_space(space, DATA)


def test_a_resume_takes_the_same_file_alone(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    settings = replace(SETTINGS, space="mine", space_sha256=space_choice(path).sha256)
    assert run_space(settings, path).name == "mine"
    for text in (None, "quick"):
        with pytest.raises(ValueError, match="'mine' of the run is a file; allowed: with --space"):
            run_space(settings, text)
    with pytest.raises(ValueError, match=r"allowed: the run's file mine\.py"):
        run_space(settings, written(tmp_path, GOOD, "other.py"))
    with pytest.raises(ValueError, match=r"mine\.py has SHA-256 .* allowed: the same"):
        run_space(settings, written(tmp_path, "    raise SystemExit('it ran')\n"))


def test_a_run_of_a_space_of_ours_needs_no_file() -> None:
    assert run_space(SETTINGS, None).name == SETTINGS.space
