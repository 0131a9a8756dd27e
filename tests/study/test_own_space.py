"""A search of one's own space on one's own pictures: nothing but two paths is given."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from small_pictures import write_pictures

from study.run.settings import RunSettings
from study.run.storage import StudyStorage

SPACE = """
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, SamplingConfig
from diffusion.recipe import TrainingConfig

def suggest(trial, data):
    width = trial.suggest_categorical("backbone.width", [8, 16])
    step = trial.suggest_float("compression.step", 0.5, 2.0, log=True)
    return Recipe(
        data=data,
        network=NetworkConfig("mini_ddpm", (width, 2 * width), patch_size=2),
        training=TrainingConfig(train_images=320, batch_size=32),
        compression=CompressionConfig(quantization="uniform", quantization_step=round(step, 3)),
        sampling=SamplingConfig(steps=3),
    )
"""


def search(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study.search", *arguments, "--no-verify"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.slow
def test_a_space_file_is_searched_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    (tmp_path / "mine.py").write_text(SPACE)
    write_pictures(tmp_path / "pictures", count=200)
    asked = ["--space", "mine.py", "--dataset", "folder:pictures", "--trials", "2"]
    out = search(tmp_path, *asked)
    assert "2 of 2 trials finished, 0 failed" in out.stdout, out.stderr
    run = tmp_path / "runs" / "mine-001"
    settings = RunSettings.load(run)
    digest = hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    assert (settings.space, settings.space_sha256) == ("mine", digest)
    assert settings.extractor == str(run / "extractor.safetensors")
    assert "accuracy" in out.stderr

    refused = search(tmp_path, "--resume", str(run), "--trials", "3")
    assert refused.returncode == 2
    assert "space 'mine' of the run is a file; allowed: with --space" in refused.stderr
    out = search(tmp_path, "--resume", str(run), "--trials", "3", "--space", "mine.py")
    assert "3 of 3 trials finished, 0 failed" in out.stdout, out.stderr
    storage = StudyStorage(run / "study.journal", settings.objectives)
    assert sum(record.finished for record in storage.records()) == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def suggest(trial, data):\n    return 1\n", "suggest returned int; allowed: a Recipe"),
        ("1 / 0\n", "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_of_no_use_ends_in_one_line_and_writes_nothing(
    tmp_path: Path, text: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    (tmp_path / "mine.py").write_text(text)
    out = search(tmp_path, "--space", "mine.py")
    assert out.returncode == 2
    (told,) = out.stderr.splitlines()
    assert told.startswith("error: ")
    assert line in told
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
