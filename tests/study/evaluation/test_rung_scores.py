"""Rungs of a real training: what is judged there, and what is left when it ends there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diffusion import train as train_module
from diffusion.errors import MetricUndefined
from diffusion.recipe import Recipe
from study.evaluation import scoring as rung_scores
from study.evaluation.context import RunContext, TrialContext
from study.evaluation.scoring import plain_recipe, score_rung
from study.results.objectives import Scores
from study.run.backbones import BackboneStore
from study.trial import evaluate

RUNGS = (64, 128)


class StoppedEarly(Exception):
    """In place of what ends a worker's trial."""


@pytest.fixture(autouse=True)
def short_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep snapshots after 64 and 128 images, and draw few."""
    monkeypatch.setattr(train_module, "FIRST_SNAPSHOT_IMAGES", RUNGS[0])
    monkeypatch.setattr(rung_scores, "RUNG_NUM_IMAGES", 40)


@pytest.fixture
def recipe(digit_recipe: Recipe) -> Recipe:
    return replace(digit_recipe, training=replace(digit_recipe.training, train_images=160))


def context(run: Path, number: int = 0, on_rung: Any = None) -> TrialContext:
    run.mkdir(exist_ok=True)
    scored = RunContext("mnist5k", None, run / "trials", run / "backbones", 40)
    return TrialContext(scored, scored.trials_dir / str(number), on_rung=on_rung)


def test_a_rung_is_scored_as_the_uncompressed_file_of_its_snapshot(
    recipe: Recipe, tmp_path: Path
) -> None:
    told: list[tuple[int, Scores]] = []
    evaluate(recipe, context(tmp_path, on_rung=lambda *rung: told.append(rung)))
    assert [train_images for train_images, _ in told] == list(RUNGS)
    assert [scores["trained_images"] for _, scores in told] == list(RUNGS)
    for number, (train_images, scores) in enumerate(told, start=1):
        whole = evaluate(plain_recipe(recipe, train_images), context(tmp_path, number))
        assert whole["trained_images"] == 0
        for name in ("fid", "size_bytes", "parameters", "nonzero_parameters", "macs"):
            assert scores[name] == whole[name], name


def test_every_compression_of_a_training_is_judged_alike(recipe: Recipe) -> None:
    other = replace(recipe, compression=replace(recipe.compression, quantization="linear4"))
    assert plain_recipe(recipe, 64) == plain_recipe(other, 64)
    assert plain_recipe(recipe, 64).backbone_key == recipe.backbone_key


@pytest.mark.parametrize("last", RUNGS)
@pytest.mark.parametrize("number", [0, 1])
def test_a_training_that_was_cut_off_at_a_rung_goes_on_to_the_same_model(
    recipe: Recipe, tmp_path: Path, last: int, number: int
) -> None:
    def stop(train_images: int, scores: Scores) -> None:
        if train_images == last:
            raise StoppedEarly

    with pytest.raises(StoppedEarly):
        evaluate(recipe, context(tmp_path / "stopped", on_rung=stop))
    told: list[tuple[int, int]] = []
    again = context(
        tmp_path / "stopped",
        number,
        on_rung=lambda rung, scores: told.append((rung, scores["trained_images"])),
    )
    scores = evaluate(recipe, again)
    begin = last if number else 0  # another trial counts what is left, the same one all of it
    assert scores["trained_images"] == 160 - begin
    # The rung at which it was stopped is told again: the judgement may have been lost.
    assert told == [(rung, rung - begin) for rung in RUNGS if rung >= last]
    evaluate(recipe, context(tmp_path / "whole"))
    stopped = tmp_path / "stopped" / "trials" / str(number) / "model.pdm"
    whole = tmp_path / "whole" / "trials" / "0" / "model.pdm"
    assert stopped.read_bytes() == whole.read_bytes()


def test_a_trained_backbone_is_not_judged_again(recipe: Recipe, tmp_path: Path) -> None:
    evaluate(recipe, context(tmp_path))
    told: list[int] = []
    scores = evaluate(recipe, context(tmp_path, 1, on_rung=lambda rung, _: told.append(rung)))
    assert told == []
    assert scores["trained_images"] == 0


def test_what_cannot_be_drawn_from_has_its_size_alone(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undefined(*_: Any) -> Any:
        raise MetricUndefined("images are not finite")

    evaluate(recipe, context(tmp_path))
    monkeypatch.setattr(rung_scores, "draw_and_score", undefined)
    scores = score_rung(recipe, 64, BackboneStore(tmp_path / "backbones"), context(tmp_path).run)
    assert scores is not None
    assert "fid" not in scores
    assert scores["size_bytes"] > 0
