"""Bad paths: files, folders, data and packages that cannot be used are named in one line."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import Refused

from diffusion.recipe import Recipe
from study.describe import main as describe
from study.generate import main as generate
from study.run.settings import RunSettings
from study.run.settings_format import FORMAT_VERSION
from study.search import main as search
from study.verify import main as verify

NOWHERE = [
    ["--data-dir"],
    ["--extractor"],
    ["--extractor", "inception", "--inception-weights"],
    ["--store"],
    ["--out"],
]


@pytest.mark.parametrize("path", ["loop", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("options", NOWHERE)
def test_paths_that_lead_nowhere_are_refused(
    options: list[str],
    path: str,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert f"path {path} leads nowhere: " in refused(lambda: search([*options, path]))
    assert refused(lambda: verify([path])).startswith(f"error: path {path} leads nowhere: ")


@pytest.mark.parametrize("command", ["extractor", "weights", "describe"])
def test_no_command_waits_for_a_fifo(
    command: str, tmp_path: Path, digit_recipe: Recipe, refused: Refused
) -> None:
    fifo, recipe = str(tmp_path / "fifo"), tmp_path / "recipe.json"
    os.mkfifo(fifo)
    recipe.write_text(json.dumps(digit_recipe.to_dict()))
    weights = ["--extractor", "inception", "--inception-weights"]
    commands: dict[str, Callable[[], int]] = {
        "extractor": lambda: search(["--dry-run", "--extractor", fifo]),
        "weights": lambda: search(["--dry-run", *weights, fifo]),
        "describe": lambda: describe([str(recipe), "--recipe-out", fifo]),
    }
    assert fifo in refused(commands[command])


@pytest.mark.parametrize("command", ["extractor", "weights"])
def test_no_command_reads_a_file_that_is_far_too_large(
    command: str, tmp_path: Path, refused: Refused
) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 2**40)  # a hole: it takes no disk
    weights = ["--extractor", "inception", "--inception-weights"]
    options = {"extractor": ["--extractor"], "weights": weights}[command]
    line = refused(lambda: search(["--dry-run", *options, str(large)]))
    assert f"{large} cannot be read: it has 1,099,511,627,776 bytes; allowed: up to " in line


def test_search_refuses_a_file_as_out(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    line = refused(lambda: search(["--out", str(tmp_path / "file")]))
    assert "a file; allowed: a folder" in line


def test_search_refuses_a_folder_it_cannot_write_to(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system's answer is replaced, not the check.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    line = refused(lambda: search(["--out", str(tmp_path / "new")]))
    assert "cannot be written to" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 2}'])
def test_resume_refuses_a_folder_that_is_not_ours(
    content: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "run.json").write_text(content)
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "folder:/no/such"}, "/no/such is no folder of class folders"),
        ({"data_dir": "/no/such", "dataset": "mnist"}, "cannot be read in /no/such"),
        ({"data": {}}, "is not as we write it"),
        ({"objectives": None}, "is not as we write it"),
        ({"data.fingerprint": "0" * 16}, "allowed: the data that the run began with"),
    ],
)
def test_resume_refuses_data_that_is_gone_or_changed_before_any_trial(
    change: dict[str, Any],
    message: str,
    settings: RunSettings,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PARETODIFF_DATA", raising=False)
    values = dataclasses.asdict(settings) | {"format": FORMAT_VERSION}
    for name, value in change.items():
        part, _, field = name.partition(".")
        if field:
            values[part][field] = value
        else:
            values[part] = value
    (tmp_path / "run.json").write_text(json.dumps(values))
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", [b"", b"not a package", b"PK\x03\x04" + bytes(100)])
def test_generate_refuses_a_corrupt_package(
    content: bytes, tmp_path: Path, refused: Refused
) -> None:
    package = tmp_path / "model.pdm"
    package.write_bytes(content)
    out = tmp_path / "grid.png"
    line = refused(lambda: generate([str(package), "--out", str(out)]))
    assert f"package {package}" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [("grid.jpg", "ends in .png or .npz"), ("no/such/grid.png", "is in no folder")],
)
def test_generate_refuses_an_unusable_out(
    out: str, message: str, tmp_path: Path, refused: Refused
) -> None:
    line = refused(lambda: generate([str(tmp_path), "--out", str(tmp_path / out)]))
    assert message in line
