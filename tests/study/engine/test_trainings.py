"""Which trainings there are: one of a backbone at a time, and one in all."""

import dataclasses

from small_studies import DATA, OBJECTIVES, QUICK

from diffusion.recipe import CompressionConfig, Recipe
from study.engine.trainings import Trainings
from study.results.objectives import Scores
from study.results.records import TrialRecord


def longer(recipe: Recipe) -> Recipe:
    images = 2 * recipe.training.train_images
    return dataclasses.replace(
        recipe, training=dataclasses.replace(recipe.training, train_images=images)
    )


def test_only_another_running_trial_of_the_backbone_makes_it_busy(digit_recipe: Recipe) -> None:
    trainings = Trainings([], OBJECTIVES, reuse=True)
    variant = dataclasses.replace(
        digit_recipe, compression=CompressionConfig(quantization="weights8")
    )
    other = dataclasses.replace(
        digit_recipe, training=dataclasses.replace(digit_recipe.training, seed=7)
    )
    assert trainings.is_busy(variant, [digit_recipe])
    assert trainings.is_busy(longer(digit_recipe), [digit_recipe])
    assert not trainings.is_busy(other, [digit_recipe])
    assert not trainings.is_busy(variant, [])


def test_a_finished_training_serves_all_but_longer_ones(digit_recipe: Recipe) -> None:
    trainings = Trainings([TrialRecord(0, "complete", digit_recipe, {})], OBJECTIVES, reuse=True)
    assert not trainings.is_busy(digit_recipe, [digit_recipe])
    assert trainings.is_busy(longer(digit_recipe), [digit_recipe])
    assert trainings.images_left([digit_recipe]) == 0
    more = longer(digit_recipe)
    assert trainings.images_left([digit_recipe, more]) == more.training.train_images


def test_what_is_stored_is_not_waited_for(digit_recipe: Recipe) -> None:
    stored = [(digit_recipe.backbone_key, digit_recipe.training.train_images)]
    trainings = Trainings([], OBJECTIVES, stored=stored)
    assert trainings.any_done
    assert not trainings.is_busy(digit_recipe, [digit_recipe])
    assert trainings.images_left([digit_recipe]) == 0
    assert trainings.is_busy(longer(digit_recipe), [digit_recipe])


def test_what_did_not_complete_has_no_training(digit_recipe: Recipe) -> None:
    states = ("running", "pruned", "failed", "infeasible", "waiting")
    records = [TrialRecord(n, state, digit_recipe) for n, state in enumerate(states)]
    trainings = Trainings(records, OBJECTIVES, reuse=True)
    assert trainings.images_left([digit_recipe]) == digit_recipe.training.train_images


def test_without_reuse_every_trial_trains_and_none_waits(digit_recipe: Recipe) -> None:
    trainings = Trainings([TrialRecord(0, "complete", digit_recipe, {})], OBJECTIVES, reuse=False)
    assert not trainings.is_busy(digit_recipe, [digit_recipe])
    assert trainings.images_left([digit_recipe]) == digit_recipe.training.train_images


def cooled(recipe: Recipe, images: int = 32_000) -> Recipe:
    return recipe.with_changes({"compression.finetune_images": images})


def test_a_cool_down_waits_for_its_backbone_and_then_for_its_like(digit_recipe: Recipe) -> None:
    short, long = cooled(digit_recipe), cooled(digit_recipe, 64_000)
    drawn_otherwise = short.with_changes({"sampling.steps": 4})
    nothing = Trainings([], OBJECTIVES, reuse=True)
    assert nothing.is_busy(long, [short]), "both train the backbone"
    records = [TrialRecord(0, "complete", digit_recipe, {})]
    trainings = Trainings(records, OBJECTIVES, reuse=True)
    assert trainings.is_busy(drawn_otherwise, [short])
    assert not trainings.is_busy(long, [short])
    assert not trainings.is_busy(short, [digit_recipe])
    assert not trainings.is_busy(digit_recipe, [short])
    trainings.finish(TrialRecord(1, "complete", short, {}))
    assert not trainings.is_busy(drawn_otherwise, [short]), "there is nothing to wait for"
    assert not Trainings(records, OBJECTIVES, reuse=False).is_busy(drawn_otherwise, [short])


def test_images_of_cool_downs_are_left_until_one_is_there(digit_recipe: Recipe) -> None:
    short, long = cooled(digit_recipe), cooled(digit_recipe, 64_000)
    backbone = digit_recipe.training.train_images
    trainings = Trainings([], OBJECTIVES, reuse=True)
    assert trainings.images_left([short]) == backbone + 32_000
    trainings.finish(TrialRecord(0, "complete", digit_recipe, {}))
    assert trainings.images_left([short, long]) == 96_000
    trainings.finish(TrialRecord(1, "complete", short, {}))
    assert trainings.images_left([short, long]) == 64_000
    assert trainings.images_left([short.with_changes({"sampling.steps": 4})]) == 0
    alone = Trainings([TrialRecord(1, "complete", short, {})], OBJECTIVES, reuse=False)
    assert alone.images_left([short]) == backbone + 32_000


def recipe(position: int) -> Recipe:
    return QUICK.recipe(QUICK.covering[position], DATA)


def scores(fid: float, size_bytes: float) -> Scores:
    return {"fid": fid, "size_bytes": size_bytes}


def test_a_restart_knows_every_rung_and_every_stop() -> None:
    best, stopped, trained = recipe(0), recipe(1), recipe(2)
    records = [
        TrialRecord(0, "complete", best, scores(5, 5), rungs={16_000: scores(10, 10)}),
        TrialRecord(1, "pruned", stopped, reason="", rungs={16_000: scores(40, 40)}),
        TrialRecord(2, "pruned", trained, reason="", rungs={16_000: scores(30, 30)}),
        TrialRecord(3, "complete", trained, scores(9, 9)),
        TrialRecord(4, "infeasible", None),
    ]
    trainings = Trainings(records, OBJECTIVES)
    assert trainings.refusal(best) is None
    assert trainings.refusal(trained) is None, "it went to its end after all"
    assert trainings.refusal(stopped) == "its training was stopped early after 16,000 images"


def test_a_stopped_training_goes_on_once_it_is_well_placed() -> None:
    stopped = recipe(1)
    trainings = Trainings([], OBJECTIVES)
    assert trainings.judge("better", 16_000, scores(10, 10)) is None
    reason = "stopped early after 16,000 training images, behind most of 2 trainings"
    assert trainings.judge(stopped.backbone_key, 16_000, scores(20, 20)) == reason
    assert trainings.refusal(stopped) is not None
    for worse in range(2):
        trainings.judge(f"worse{worse}", 16_000, scores(30 + worse, 30))
    assert trainings.refusal(stopped) is None


def test_any_training_that_ended_is_known(digit_recipe: Recipe) -> None:
    trainings = Trainings([TrialRecord(0, "failed", digit_recipe)], OBJECTIVES)
    assert not trainings.any_done
    trainings.finish(TrialRecord(1, "complete", digit_recipe, scores(1, 1)))
    assert trainings.any_done
