"""One trial, run for real without Ray: what is scored is the file that ships."""

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion import train as train_module
from diffusion.compress.package import read_package
from diffusion.data import load_dataset
from diffusion.errors import DataUnavailable, TrainingDiverged
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, TrainingConfig
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.labels import score_labels
from diffusion.score.quality import score_images
from diffusion.score.references import References
from study.evaluation import scoring as rung_scores
from study.evaluation.context import RunContext, TrialContext
from study.generate import main as generate
from study.results.front import front_rows
from study.results.records import TrialRecord
from study.results.rows import LATER_SCORE_COLUMNS, SCORE_COLUMNS, VERIFIED_COLUMNS
from study.run.mark import TakenOver, mark
from study.trial import evaluate


@pytest.fixture(scope="module")
def finished(
    digit_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], list[tuple[str, float]]]:
    """A run folder with one evaluated trial, its scores and the progress it told."""
    run, told = tmp_path_factory.mktemp("run"), []
    scores = evaluate(
        digit_recipe, context(run, 0, lambda stage, share: told.append((stage, share)))
    )
    return run, scores, told


def context(run: Path, number: int, on_progress: Any = lambda stage, share: None) -> TrialContext:
    scored = RunContext("mnist5k", None, run / "trials", run / "backbones", 120)
    return TrialContext(scored, scored.trials_dir / str(number), on_progress)


def test_the_trial_folder_holds_what_the_design_lists(finished: Any, digit_recipe: Recipe) -> None:
    run, scores, told = finished
    folder = run / "trials" / "0"
    assert {path.name for path in folder.iterdir()} == {
        *("recipe.json", "model.pdm", "samples.png", "scores.json", "training.json"),
        "classes.json",
    }
    assert Recipe.from_dict(json.loads((folder / "recipe.json").read_text())) == digit_recipe
    assert json.loads((folder / "scores.json").read_text()) == scores
    assert scores["size_bytes"] == (folder / "model.pdm").stat().st_size
    with Image.open(folder / "samples.png") as picture:
        assert picture.width > 10 * 28
    assert ("train", 1.0) in told
    assert ("generate", 1.0) in told


def test_scores_are_those_of_the_reloaded_package(finished: Any) -> None:
    run, scores, _ = finished
    dataset = load_dataset("mnist5k")
    model = read_package(run / "trials" / "0" / "model.pdm")
    labels = score_labels(dataset, 120)
    torch.set_num_threads(1)
    references = References.of(dataset, build_extractor(dataset.config()))
    again = score_images(model.generate(labels), labels, references)
    assert again["fid"] == pytest.approx(scores["fid"], rel=1e-9)
    assert again["label_agreement"] == scores["label_agreement"]
    assert scores["fid_low"] <= scores["fid"] <= scores["fid_high"]
    assert scores["fid_num_images"] == 120
    assert (scores["machine"], scores["process"]) == (platform.node(), os.getpid())


def test_pruned_weights_are_zero_in_the_file_and_counted(finished: Any) -> None:
    _, scores, _ = finished
    zeros = 1 - scores["nonzero_parameters"] / scores["parameters"]
    assert 0.2 < zeros < 0.31  # 30 % of the layers outside the embedding and norms


def test_a_trial_row_has_every_column(finished: Any, digit_recipe: Recipe) -> None:
    _, scores, _ = finished
    (row,) = front_rows([TrialRecord(0, "complete", digit_recipe, scores)], ("fid", "size_bytes"))
    missing = {name for name in SCORE_COLUMNS + LATER_SCORE_COLUMNS if row[name] is None}
    assert missing == {"fid_infinity"}, "120 images of 84 features are too few to extrapolate"
    assert all(row[name] is None for name in VERIFIED_COLUMNS)
    assert row["package_path"] == "front/01-0/model.pdm"


@pytest.mark.parametrize("compiles", [True, False])
def test_a_trial_compiles_what_is_repaid_unless_the_run_compiles_none(
    digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiles: bool
) -> None:
    monkeypatch.setattr(train_module, "is_repaid", lambda recipe, device: recipe == digit_recipe)
    monkeypatch.setattr(train_module, "compile_in_place", lambda network, device: True)
    trial = context(tmp_path, 0)
    evaluate(digit_recipe, replace(trial, run=replace(trial.run, compiles=compiles)))
    key = digit_recipe.backbone_key
    record = json.loads((tmp_path / "backbones" / key / "record.json").read_text())
    assert record["snapshots"]["64"]["compiled"] == compiles


def test_less_bytes_a_weight_is_a_smaller_file_from_one_training(
    finished: Any, digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, _ = finished
    monkeypatch.setattr("study.run.backbones.train", None)  # training again would raise
    sizes = []
    for number, quantization in enumerate(("none", "linear8", "linear4", "weights8"), start=1):
        compression = CompressionConfig(quantization=quantization)
        recipe = replace(digit_recipe, compression=compression)
        sizes.append(evaluate(recipe, context(run, number))["size_bytes"])
    none, linear8, linear4, weights8 = sizes
    assert none > linear8 > linear4
    assert none > 3 * weights8


def test_every_attempt_of_a_trial_counts_the_images_from_where_its_first_began(
    digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "FIRST_SNAPSHOT_IMAGES", 64)
    monkeypatch.setattr(rung_scores, "RUNG_NUM_IMAGES", 40)
    recipe = digit_recipe.with_changes({"training.train_images": 192})
    at_rungs: list[tuple[int, int]] = []
    told: list[int] = []

    def attempt(number: int, last: tuple[str, float] | None) -> Any:
        def on_progress(stage: str, share: float) -> None:
            if (stage, share) == last:
                raise KeyboardInterrupt

        return evaluate(
            recipe,
            replace(
                context(tmp_path, number, on_progress),
                on_rung=lambda rung, s: at_rungs.append((rung, s["trained_images"])),
                on_trained=told.append,
            ),
        )

    for last in (("train", 2 / 3), ("train", 1.0), ("generate", 1.0)):
        with pytest.raises(KeyboardInterrupt):
            attempt(0, last)
    assert attempt(0, None)["trained_images"] == 192
    assert attempt(0, None)["trained_images"] == 192, "its end may not have been told"
    assert at_rungs == [(64, 64), (128, 128)]
    assert told[0] == 0
    assert told == sorted(told), "no attempt counts anew"
    assert told[-1] == 192
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        attempt(1, ("generate", 1.0))
    assert attempt(1, None)["trained_images"] == 0, "the backbone was there"
    assert set(told) == {0}


def test_fine_tuning_changes_weights_but_not_what_was_pruned(
    finished: Any, digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, scores, _ = finished
    monkeypatch.setattr("study.run.backbones.train", None)  # the backbone is there
    tuned = digit_recipe.with_changes(
        {"compression.finetune_images": 64, "compression.finetune_learning_rate": 1e-2}
    )
    told: list[tuple[str, float]] = []
    trained: list[int] = []
    fresh = context(run, 9, lambda stage, share: told.append((stage, share)))
    found = evaluate(tuned, replace(fresh, on_trained=trained.append))
    assert ("cool-down", 1.0) in told
    assert (trained[0], trained[-1], found["trained_images"]) == (0, 64, 64)
    assert found["fid"] != scores["fid"]
    assert found["train_seconds"] == scores["train_seconds"]
    states = [
        read_package(run / "trials" / number / "model.pdm").network.state_dict()
        for number in ("0", "9")
    ]
    name = "bottleneck1.conv1.weight"
    before, after = (state[name] for state in states)
    assert (before == 0).sum() > 0.29 * before.numel()
    assert (after[before == 0] == 0).all()
    assert (after != before).any()


def test_a_model_without_labels_is_scored_without_agreement(
    digit_recipe: Recipe, tmp_path: Path
) -> None:
    plain = digit_recipe.with_changes({"network.conditional": False, "sampling.guidance": 1})
    found = evaluate(plain, context(tmp_path, 0))
    assert found["label_agreement"] is None
    assert 0 <= found["label_balance"] <= 1
    assert -1 <= found["ssim"] <= 1
    folder = str(tmp_path / "trials" / "0")
    with pytest.raises(ValueError, match="label is '3', but the model was trained without"):
        generate([folder, "--label", "3", "--out", str(tmp_path / "g.png")])


def test_an_epoch_is_one_pass_over_the_training_images(finished: Any) -> None:
    _, scores, _ = finished
    assert scores["train_ms_per_epoch"] == pytest.approx(
        1000 * scores["train_seconds"] * 4_000 / 64
    )


def test_a_recipe_of_other_data_is_refused(digit_recipe: Recipe, tmp_path: Path) -> None:
    other = replace(digit_recipe, data=replace(digit_recipe.data, fingerprint="0" * 16))
    with pytest.raises(DataUnavailable, match="differs from the one of the recipe"):
        evaluate(other, context(tmp_path, 0))


def test_generate_draws_a_grid_and_an_archive(finished: Any, tmp_path: Path) -> None:
    run, _, _ = finished
    folder = str(run / "trials" / "0")
    assert generate([folder, "-n", "12", "--label", "7", "--out", str(tmp_path / "g.png")]) == 0
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.size == (2 * (4 * 30 + 2), 2 * (3 * 30 + 2))
    archives = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        out = tmp_path / f"{name}.npz"
        generate([folder, "-n", "20", "--steps", "2", "--seed", seed, "--out", str(out)])
        with np.load(out, allow_pickle=False) as archive:
            archives.append((archive["images"], archive["labels"]))
    images, labels = archives[0]
    assert images.shape == (20, 1, 28, 28)
    assert images.dtype == np.uint8
    assert labels.tolist() == [*range(10), *range(10)]
    assert (images == archives[1][0]).all()
    assert (images != archives[2][0]).any()


def test_generate_takes_another_sampler_and_schedule(finished: Any, tmp_path: Path) -> None:
    folder, images = str(finished[0] / "trials" / "0"), []
    for number, options in enumerate(
        (
            [],
            ["--sampler", "dpm_solver_pp_2m", "--schedule", "karras"],
            ["--sampler", "heun"],
            ["--sampler", "heun", "--schedule", "uniform"],
        )
    ):
        out = tmp_path / f"{number}.npz"
        generate([folder, "-n", "10", *options, "--out", str(out)])
        with np.load(out, allow_pickle=False) as archive:
            images.append(archive["images"])
    assert (images[0] == images[1]).all(), "these are the recipe's"
    assert (images[2] != images[0]).any()
    assert (images[3] != images[2]).any()


@pytest.mark.parametrize("label", ["10", "9223372036854775807"])
def test_generate_refuses_a_label_the_model_does_not_have(
    finished: Any, tmp_path: Path, label: str
) -> None:
    folder = str(finished[0] / "trials" / "0")
    with pytest.raises(ValueError, match=rf"label is '{label}'; allowed: 0, 1, 2, .* 9"):
        generate([folder, "--label", label, "--out", str(tmp_path / "g.png")])


def test_a_training_that_diverges_is_told_as_that_with_the_images_it_cost(
    digit_recipe: Recipe, tmp_path: Path
) -> None:
    network = NetworkConfig("ncsn", (4, 8, 8, 16))
    training = TrainingConfig(12_800, learning_rate=100.0)
    wild = replace(digit_recipe, network=network, training=training)
    trained: list[int] = []
    with pytest.raises(TrainingDiverged, match="training diverged at step"):
        evaluate(wild, replace(context(tmp_path, 0), on_trained=trained.append))
    assert trained[0] == 0


@pytest.mark.parametrize(("stage", "left"), [("train", "recipe.json"), ("generate", "model.pdm")])
def test_a_trial_writes_no_result_once_a_later_driver_has_the_run(
    stage: str, left: str, digit_recipe: Recipe, tmp_path: Path
) -> None:
    first = mark(tmp_path)

    def take_over(now: str, share: float) -> None:
        if now == stage and share == 1:
            mark(tmp_path)

    scored = context(tmp_path, 3, take_over)
    fenced = replace(scored, run=replace(scored.run, mark=first))
    with pytest.raises(TakenOver, match="driver 1"):
        evaluate(digit_recipe, fenced)
    names = {path.name for path in fenced.trial_dir.iterdir()}
    assert left in names
    assert "scores.json" not in names
    assert ("model.pdm" in names) == (left == "model.pdm")
