"""An exported model is the one that was scored, with a card that a hub reads."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from refusals import Refused
from small_run import run_of
from small_scores import fake_scores
from torch import nn

from diffusion.compress.channels import remove_channels
from diffusion.compress.package import read_package, write_package
from diffusion.recipe import CompressionConfig, Recipe
from study import Model, export
from study.display.front_folder import write_front
from study.results.records import TrialRecord
from study.run.files import write_json
from study.run.warned import keep_warning

LICENSE = ["--license", "apache-2.0"]


@pytest.fixture
def run(tmp_path: Path, tiny_recipe: Recipe, tiny_network: nn.Module) -> Path:
    """A run with one model on its front, whose verified figures are others than its trial's."""
    return write_run(tmp_path / "tiny-001", tiny_recipe, tiny_network)


def write_run(folder: Path, recipe: Recipe, network: nn.Module) -> Path:
    trial = folder / "trials" / "0"
    trial.mkdir(parents=True)
    size = write_package(trial / "model.pdm", recipe, network)
    conditions = {"extractor": "digits", "extractor_sha256": "9c", "threads": 1, "device": "cpu"}
    scores = fake_scores(9.0, size, **conditions, kid=None, finetune_seconds=None)
    write_json(trial / "scores.json", scores)
    Image.new("L", (4, 4)).save(trial / "samples.png")
    verified = {**scores, "fid": 8.0, "verified_seeds": 3, "front_probability": 1.0}
    study = run_of(folder, [TrialRecord(0, "complete", recipe, verified)])
    write_json(folder / "run.json", study.settings.to_json())
    write_front(study)
    return folder


def front_matter(folder: Path) -> dict[str, Any]:
    _, matter, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter)


def metrics(folder: Path) -> dict[tuple[str, str], Any]:
    (model,) = front_matter(folder)["model-index"]
    return {
        (result["dataset"]["split"], metric["type"]): metric
        for result in model["results"]
        for metric in result["metrics"]
    }


@pytest.mark.parametrize("point", ["", "model.pdm"])
def test_a_front_point_is_exported_with_its_verified_figures_and_their_conditions(
    point: str, run: Path, tmp_path: Path
) -> None:
    to = tmp_path / "hub"
    assert export.main([str(run / "front" / "01-0" / point), "--to", str(to), *LICENSE]) == 0
    matter = front_matter(to)
    assert matter["license"] == "apache-2.0"
    assert matter["model-index"][0]["name"] == "tiny-001-01-0"
    found = metrics(to)
    assert found["train", "fid"]["value"] == 8.0
    assert found["train", "fid"]["args"]["images"] == "3 x 500 images"
    assert found["train", "fid"]["args"]["extractor_sha256"] == "9c"
    assert found["train", "size_bytes"]["value"] == (to / "model.pdm").stat().st_size
    assert found["train", "latency_ms"]["args"]["threads"] == 1
    assert ("train", "kid") not in found
    assert (
        f"| model.pdm | {(to / 'model.pdm').stat().st_size:,} |" in (to / "README.md").read_text()
    )


@pytest.mark.parametrize("channels", [0.0, 0.5])
def test_weights_and_config_rebuild_the_model_as_the_card_says(
    channels: float,
    tiny_recipe: Recipe,
    tiny_network: nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    to, recipe = tmp_path / "hub", tiny_recipe
    if channels:
        remove_channels(tiny_network, recipe.network, channels)
        recipe = replace(recipe, compression=CompressionConfig("channels_l1", channels))
    run = write_run(tmp_path / "run", recipe, tiny_network)
    export.main([str(run / "front" / "01-0"), "--to", str(to), *LICENSE])
    (shown,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", (to / "README.md").read_text(), re.S)
        if "model.safetensors" in block
    ]
    monkeypatch.chdir(to)
    names: dict[str, Any] = {}
    exec(shown, names)
    labels = torch.arange(3)
    expected = read_package(run / "trials" / "0" / "model.pdm").generate(labels)
    assert torch.equal(names["model"].generate(labels), expected)
    assert (to / "model.pdm").read_bytes() == (run / "trials/0/model.pdm").read_bytes()


def test_an_exported_model_knows_its_classes_by_name(run: Path, tmp_path: Path) -> None:
    names = ["ape", "bee", "cat"]
    (run / "front" / "01-0" / "classes.json").write_text(json.dumps(names))
    to = tmp_path / "hub"
    export.main([str(run / "front" / "01-0"), "--to", str(to), *LICENSE])
    assert Model.read(to).class_names == tuple(names)


def test_the_sampling_script_runs_from_anywhere(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "hub"
    export.main([str(run / "front" / "01-0"), "--to", str(to), *LICENSE])
    root = Path(export.__file__).parents[1]
    subprocess.run(
        [sys.executable, str(to / "sample.py"), "6", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
    with Image.open(to / "grid.png") as picture:
        assert picture.width > picture.height > 8


def test_a_model_file_alone_gets_samples_and_its_size_as_its_only_figure(
    run: Path, tmp_path: Path
) -> None:
    alone, to = tmp_path / "model.pdm", tmp_path / "hub"
    shutil.copy(run / "trials" / "0" / "model.pdm", alone)
    assert export.main([str(alone), "--to", str(to), *LICENSE]) == 0
    assert set(metrics(to)) == {("train", "size_bytes")}
    assert "| FID" not in (to / "README.md").read_text()
    with Image.open(to / "samples.png") as picture:
        assert picture.width > 3 * 8


def test_a_run_is_exported_as_its_whole_front(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "hub"
    assert export.main([str(run), "--to", str(to)]) == 0
    assert "tables and 1 model:" in capsys.readouterr().out
    front = run / "front"
    names = sorted(path.relative_to(front) for path in front.rglob("*") if path.is_file())
    assert sorted(p.relative_to(to) for p in to.rglob("*") if p.is_file()) == names
    assert all((to / name).read_bytes() == (front / name).read_bytes() for name in names)


def test_a_data_set_s_folder_is_named_without_its_path_and_that_others_are_said(
    tmp_path: Path,
    tiny_recipe: Recipe,
    tiny_network: nn.Module,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = tiny_recipe.with_changes({"data.name": "folder:/home/ann/flowers"})
    write_package(tmp_path / "model.pdm", recipe, tiny_network)
    export.main([str(tmp_path / "model.pdm"), "--to", str(tmp_path / "hub"), *LICENSE])
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "like those of flowers" in card
    assert "/home/ann" not in card
    assert "name where its data lay: folder:/home/ann/flowers" in capsys.readouterr().out


@pytest.mark.slow
def test_programs_lie_beside_the_model_and_their_sizes_in_the_card(
    run: Path, tmp_path: Path
) -> None:
    to = tmp_path / "hub"
    formats = ["--format", "torch", "--format", "onnx", "--format", "onnx"]
    assert export.main([str(run / "front" / "01-0"), "--to", str(to), *LICENSE, *formats]) == 0
    card = (to / "README.md").read_text()
    for name in ("model.onnx", "sample_onnx.py", "model.pt2"):
        assert f"| {name} | {(to / name).stat().st_size:,} |" in card
    assert "onnx" in front_matter(to)["tags"]


def test_what_a_table_says_that_is_no_number_is_not_in_the_card(run: Path, tmp_path: Path) -> None:
    table = run / "front" / "front.json"
    content = json.loads(table.read_text())
    odd = {"widths": "<b>", "verified_seeds": "<b>", "finetune_images": "<b>"}
    content["points"][0].update(odd)
    write_json(table, content)
    export.main([str(run / "front" / "01-0"), "--to", str(tmp_path / "hub"), *LICENSE])
    assert "<b>" not in (tmp_path / "hub" / "README.md").read_text()
    assert metrics(tmp_path / "hub")["train", "fid"]["args"]["images"] == "500 images"


def test_what_is_there_already_is_not_touched(run: Path, tmp_path: Path, refused: Refused) -> None:
    to = tmp_path / "hub"
    to.mkdir()
    (to / "mine").write_text("mine")
    arguments = [str(run / "front" / "01-0"), "--to", str(to), *LICENSE]
    assert "is there already; allowed: a new" in refused(lambda: export.main(arguments))
    assert [path.name for path in to.iterdir()] == ["mine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub", "tiny-001"]


@pytest.mark.parametrize(
    ("point", "options", "message"),
    [
        ("front/01-0", [], "--license is missing; allowed: an identifier"),
        ("front/01-0", ["--license", "My Licence"], "--license is 'My Licence'; allowed:"),
        ("front", LICENSE, "holds many models; allowed: one, like "),
        ("trials/9", LICENSE, "trials/9"),
        ("", LICENSE, "is a run; allowed: a point of its front"),
        ("", ["--format", "onnx"], "is a run; allowed: a point of its front"),
        ("front/01-0", [*LICENSE, "--to", "/no/such/folder/hub"], "/no/such/folder is no folder"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    point: str, options: list[str], message: str, run: Path, tmp_path: Path, refused: Refused
) -> None:
    arguments = [str(run / point), "--to", str(tmp_path / "hub"), *options]
    assert message in refused(lambda: export.main(arguments))
    assert not (tmp_path / "hub").exists()


def test_a_model_that_is_not_the_one_that_was_scored_is_refused(
    run: Path, tmp_path: Path, refused: Refused
) -> None:
    scores = run / "front" / "01-0" / "scores.json"
    write_json(scores, {**json.loads(scores.read_text()), "package_sha256": "0" * 64})
    arguments = [str(run / "front" / "01-0"), "--to", str(tmp_path / "hub"), *LICENSE]
    assert "is not the file that was scored" in refused(lambda: export.main(arguments))


def test_a_card_says_what_the_trials_of_its_run_were_warned_of(run: Path, tmp_path: Path) -> None:
    keep_warning(run, "few reference images")
    cards = []
    for number, path in enumerate(("front/best", "front/01-0/model.pdm", "trials/0")):
        to = tmp_path / f"hub{number}"
        assert export.main([str(run / path), "--to", str(to), *LICENSE]) == 0
        cards.append((to / "README.md").read_text())
    assert all("- few reference images\n" in card for card in cards)
    shutil.copy(run / "trials" / "0" / "model.pdm", tmp_path)
    assert export.main([str(tmp_path / "model.pdm"), "--to", str(tmp_path / "x"), *LICENSE]) == 0
    assert "warned" not in (tmp_path / "x" / "README.md").read_text()
