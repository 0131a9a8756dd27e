"""Fine-tuning after pruning: what was pruned stays zero, the rest learns."""

from dataclasses import replace

import pytest
import torch

from diffusion.compress.prune import prune, pruned_masks
from diffusion.errors import TrainingDiverged
from diffusion.recipe import CompressionConfig
from diffusion.train import fine_tune

PRUNED = CompressionConfig(
    "l1", 0.3, filter_ratio=0.1, finetune_images=160, finetune_learning_rate=1e-3
)


def tuned(network, recipe, dataset, compression=PRUNED, on_progress=lambda images: None):
    """Prune a network and train it on, in place; return its state before that."""
    recipe = replace(recipe, compression=compression)
    prune(network, compression)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    fine_tune(network, recipe, dataset.train_images, dataset.train_labels, on_progress)
    return before


def test_pruned_weights_stay_zero_and_others_learn(tiny_network, tiny_recipe, tiny_dataset):
    prune(tiny_network, PRUNED)
    masks = [mask.clone() for _, mask in pruned_masks(tiny_network)]
    before = tuned(tiny_network, tiny_recipe, tiny_dataset)
    for mask, (values, _) in zip(masks, pruned_masks(tiny_network), strict=True):
        assert not values[mask].any()
    assert any(mask.any() for mask in masks)
    moved = [
        (values != before[name])[before[name] != 0].float().mean().item()
        for name, values in tiny_network.named_parameters()
        if before[name].any()
    ]
    assert min(moved) > 0.5


def test_fine_tuning_repeats_and_its_seed_is_not_the_trainings(
    tiny_network, tiny_recipe, tiny_dataset
):
    start = {name: values.clone() for name, values in tiny_network.state_dict().items()}
    states = []
    for seed in (0, 0, 1):
        tiny_network.load_state_dict(start)
        training = replace(tiny_recipe.training, seed=seed)
        tuned(tiny_network, replace(tiny_recipe, training=training), tiny_dataset)
        states.append(torch.cat([v.flatten() for v in tiny_network.state_dict().values()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_length_and_progress_are_the_compressions(tiny_network, tiny_recipe, tiny_dataset):
    seen = []
    tuned(tiny_network, tiny_recipe, tiny_dataset, on_progress=seen.append)
    assert seen[-1] == 160


def test_a_bad_learning_rate_is_named(tiny_network, tiny_recipe, tiny_dataset):
    wild = replace(PRUNED, finetune_learning_rate=1e6)
    with pytest.raises(TrainingDiverged, match="training diverged at step"):
        tuned(tiny_network, tiny_recipe, tiny_dataset, wild)
