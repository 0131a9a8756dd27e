"""Wrong command lines, hundreds of them: each ends in one line and status 2, soon and small."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

from diffusion.compress.package import write_package
from diffusion.errors import LONGEST_LINE
from diffusion.networks import build_network
from diffusion.recipe import Recipe
from study.cli.parser import USAGE_STATUS
from study.results.objectives import Scores
from study.run.files import write_json
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage

SCORES: Scores = {"fid": 9.0, "size_bytes": 70, "train_images": 64, "trained_images": 64}


@pytest.fixture
def folder(settings: RunSettings, digit_recipe: Recipe, tmp_path: Path) -> Path:
    """A folder of what the commands need: a model, a recipe, a run with a trial, and images."""
    write_json(tmp_path / "recipe.json", digit_recipe.to_dict())
    network = build_network(digit_recipe.network, digit_recipe.data)
    write_package(tmp_path / "model.pdm", digit_recipe, network)
    (tmp_path / "run").mkdir()
    # Of a published system, so that there are tables of it.
    save_settings(tmp_path / "run", replace(settings, space="system-a-ncsn"))
    storage = StudyStorage(tmp_path / "run" / JOURNAL_NAME, settings.objectives)
    trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
    storage.accept(trial, digit_recipe)
    storage.complete(trial.number, SCORES, 1.5)
    generator = np.random.default_rng(0)
    for i in range(60):
        path = tmp_path / "data" / f"class{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (16, 16), dtype=np.uint8)).save(path)
    return tmp_path


@pytest.mark.slow
def test_wrong_command_lines_end_in_one_line_within_bounds(folder: Path) -> None:
    """Of nearly 500 nine in ten are refused; the others replace a file, or ask for much."""
    script = Path(__file__).with_name("bad_commands.py")
    tests = Path(__file__).parents[1]
    threads = {"OMP_NUM_THREADS": "1"}  # more of them take address space, not time
    environment = {**os.environ, **threads, "PYTHONPATH": f"{tests.parent}:{tests / 'diffusion'}"}
    command = [sys.executable, script, folder]
    subprocess.run(command, check=True, timeout=800, env=environment, cwd=folder)
    results = json.loads((folder / "results.json").read_text())
    assert [case["status"] for case in results["honest"]] == [0] * 6, results["honest"]
    ended = Counter[object]()
    for case in results["bad"]:
        status, said = case["status"], case["said"]
        assert status in (0, USAGE_STATUS), case
        if status:
            assert said.startswith("error: "), case
            assert said.count("\n") == 1, case
            assert said[:-1].isprintable(), case
            assert len(said) <= LONGEST_LINE + 1, case
        ended[status] += 1
    assert ended[USAGE_STATUS] >= 0.85 * len(results["bad"]), ended
    honest_bytes, peak_bytes = results["bytes"]
    assert peak_bytes < 2 * honest_bytes
