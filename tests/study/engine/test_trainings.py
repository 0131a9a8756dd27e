"""Which trainings there are: one of a backbone at a time, and one in all."""

import dataclasses

from diffusion.recipe import CompressionConfig, Recipe
from study.engine.trainings import Trainings
from study.results.records import TrialRecord


def longer(recipe: Recipe) -> Recipe:
    images = 2 * recipe.training.train_images
    return dataclasses.replace(
        recipe, training=dataclasses.replace(recipe.training, train_images=images)
    )


def test_only_another_running_trial_of_the_backbone_makes_it_busy(digit_recipe: Recipe) -> None:
    trainings = Trainings([], reuse=True)
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
    trainings = Trainings([TrialRecord(0, "complete", digit_recipe, {})], reuse=True)
    assert not trainings.is_busy(digit_recipe, [digit_recipe])
    assert trainings.is_busy(longer(digit_recipe), [digit_recipe])
    assert trainings.images_left([digit_recipe]) == 0
    more = longer(digit_recipe)
    assert trainings.images_left([digit_recipe, more]) == more.training.train_images


def test_what_did_not_complete_has_no_training(digit_recipe: Recipe) -> None:
    states = ("running", "pruned", "failed", "infeasible", "waiting")
    records = [TrialRecord(n, state, digit_recipe) for n, state in enumerate(states)]
    trainings = Trainings(records, reuse=True)
    assert trainings.images_left([digit_recipe]) == digit_recipe.training.train_images


def test_without_reuse_every_trial_trains_and_none_waits(digit_recipe: Recipe) -> None:
    trainings = Trainings([TrialRecord(0, "complete", digit_recipe, {})], reuse=False)
    assert not trainings.is_busy(digit_recipe, [digit_recipe])
    assert trainings.images_left([digit_recipe]) == digit_recipe.training.train_images
