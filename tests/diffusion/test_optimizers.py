"""The optimizers of trainings: their steps, and what a state of theirs brings back."""

from dataclasses import replace

import pytest
import torch
from short_trainings import run

from diffusion.config import choices
from diffusion.optimizers import build_optimizer, load_optimizer_state, optimizer_state
from diffusion.recipe import NetworkConfig, Optimizer, TrainingConfig


@pytest.mark.parametrize("optimizer", choices(Optimizer))
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_every_optimizer_takes_steps_of_the_learning_rate(
    tiny_recipe, tiny_dataset, optimizer, precision
):
    # The first step of Adam moves each weight by the learning rate, whatever its gradient.
    fields = {"optimizer": optimizer, "precision": precision, "warmup_images": 0, "batch_size": 8}
    wide = NetworkConfig(architecture="mini_ddpm", widths=(16, 32), patch_size=2)
    recipe = replace(tiny_recipe, network=wide)
    (still,) = run(recipe, tiny_dataset, train_images=8, learning_rate=1e-30, **fields)
    (one,) = run(recipe, tiny_dataset, train_images=8, learning_rate=1e-3, **fields)
    name = "out.weight"
    step = (one.tracks["none"][name] - still.tracks["none"][name]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 1e-3), rtol=0.05, atol=0)
    (many,) = run(recipe, tiny_dataset, train_images=160, learning_rate=1e-3, **fields)
    assert all(value.isfinite().all() for value in many.tracks["none"].values())
    assert many.loss < one.loss


@pytest.mark.parametrize(("eight_bit", "exact"), [("adam8bit", "adam"), ("adamw8bit", "adamw")])
def test_8bit_optimizers_stay_near_the_exact_ones(tiny_recipe, tiny_dataset, eight_bit, exact):
    # Only tensors of 4,096 elements and more are kept in 8 bits: this network has some.
    wide = NetworkConfig(architecture="mini_ddpm", widths=(16, 32), patch_size=2)
    recipe = replace(tiny_recipe, network=wide)
    fields = {"train_images": 160, "learning_rate": 1e-3, "warmup_images": 0}
    (start,) = run(recipe, tiny_dataset, **{**fields, "learning_rate": 1e-30})
    ends = [run(recipe, tiny_dataset, optimizer=o, **fields)[0] for o in (eight_bit, exact)]
    name = "bottleneck1.conv1.weight"
    assert start.tracks["none"][name].numel() > 4_096
    coarse, fine = ((end.tracks["none"][name] - start.tracks["none"][name]) for end in ends)
    cosine = torch.nn.functional.cosine_similarity(coarse.flatten(), fine.flatten(), dim=0)
    assert cosine > 0.8
    assert not torch.equal(coarse, fine)


def layer():
    # Wide enough for its moments to be kept in 8 bits.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return torch.nn.Conv2d(16, 64, 3).to(memory_format=torch.channels_last)


def take_steps(network, optimizer, seeds):
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize("optimizer", choices(Optimizer))
def test_loaded_optimizer_steps_as_the_one_whose_state_it_was(optimizer):
    config = TrainingConfig(1, optimizer=optimizer, learning_rate=0.01)
    first, second = layer(), layer()
    original, loaded = build_optimizer(first, config), build_optimizer(second, config)
    take_steps(first, original, seeds=range(3))
    second.load_state_dict(first.state_dict())
    kept = {name: value.clone() for name, value in optimizer_state(original).items()}
    assert any(name.startswith("optimizer.1/") for name in kept)
    load_optimizer_state(loaded, {"network/weight": torch.zeros(1), **kept})
    for network, its in ((first, original), (second, loaded)):
        take_steps(network, its, seeds=range(3, 6))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


@pytest.mark.parametrize("optimizer", choices(Optimizer))
def test_beta2_averages_the_squared_gradients(optimizer):
    # After a gradient of 1 and one of 2 the average is (beta2 + 4) (1 - beta2); tensors
    # as small as these are kept in float32 by all.
    training = TrainingConfig(1, optimizer=optimizer, adam_beta2=0.9)
    network = torch.nn.Linear(8, 8)
    built = build_optimizer(network, training)
    assert {group["betas"] for group in built.param_groups} == {(0.9, 0.9)}
    for gradient in (1.0, 2.0):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        built.step()
    name = "state2" if optimizer.endswith("8bit") else "exp_avg_sq"
    squares = optimizer_state(built)[f"optimizer.0/{name}"]
    torch.testing.assert_close(squares, torch.full_like(squares, 0.49), rtol=1e-4, atol=0)
