"""Quantized layers learn, alone and in whole trainings, whose snapshots plain networks load."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from quantized_layers import EACH, QUANTIZED, distance, normal
from short_trainings import CPU
from small_networks import config
from torch import nn

from diffusion.compress.package import read_package, write_package
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.networks import build_network
from diffusion.quantized_training import float_state, quantize_linears
from diffusion.recipe import CompressionConfig, Recipe, TrainingConfig
from diffusion.train import train

pytestmark = pytest.mark.usefixtures("_quiet_bitsandbytes")

# Learning.


def fit(quantization, steps=80):
    """Fit a small network to a larger one as our training does; return it and its losses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teacher = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 4))
        network = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 4))
    features = normal(128, 8)
    targets = teacher(features).detach()
    quantize_linears(network, quantization)
    start = {name: value.clone() for name, value in float_state(network).items()}
    learning = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (network(features) - targets).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return start, float_state(network), losses


def test_8bit_layers_learn_as_float_ones_do():
    start, end, losses = fit("linear8")
    _, float_end, float_losses = fit("none")
    assert losses == pytest.approx(float_losses, rel=0.1)
    assert losses[-1] < 0.3 * losses[0]
    for name in ("0.weight", "2.weight", "0.bias"):
        assert distance(end[name], start[name]) > 0.2
        assert distance(end[name], float_end[name]) < 0.1


def test_straight_through_layers_learn():
    start, end, losses = fit("linear4_straight_through")
    *_, float_losses = fit("none")
    assert losses[-1] < 0.4 * losses[0]
    assert losses[-1] < float_losses[-1] + 0.1 * float_losses[0]
    for name in ("0.weight", "2.weight", "0.bias"):
        assert distance(end[name], start[name]) > 0.2


def test_frozen_layers_learn_their_biases_alone():
    start, end, losses = fit("linear4_frozen")
    *_, free = fit("linear4_straight_through")
    assert free[-1] < losses[-1] < losses[0]
    for name, value in end.items():
        assert torch.equal(value, start[name]) == name.endswith("weight")


# Whole trainings.


def quantized_recipe(recipe, quantization, **fields):
    return replace(recipe, training=replace(recipe.training, quantization=quantization, **fields))


def run(recipe, dataset):
    (snapshot,) = train(recipe, dataset.train_images, dataset.train_labels, CPU)
    return snapshot


@QUANTIZED
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_snapshots_repeat_and_load_into_the_plain_network(
    tiny_recipe, tiny_dataset, quantization, precision
):
    recipe = quantized_recipe(
        tiny_recipe,
        quantization,
        precision=precision,
        optimizer="adamw8bit",
        learning_rate=5e-3,
        warmup_images=0,
        ema_decay=0.9,
    )
    snapshot, again = (run(recipe, tiny_dataset) for _ in range(2))
    start = build_network(recipe.network, recipe.data)
    linears = {f"{n}.weight" for n, x in start.named_modules() if isinstance(x, nn.Linear)}
    initial = start.state_dict()
    assert snapshot.tracks.keys() == {"none", "short", "mid", "long", "exponential"}
    for track, state in snapshot.tracks.items():
        network = build_network(recipe.network, recipe.data, seed=1)
        network.load_state_dict(state)
        for name, value in state.items():
            assert value.dtype == torch.float32
            assert value.isfinite().all()
            assert torch.equal(value, again.tracks[track][name])
        moved = {name for name in linears if distance(state[name], initial[name]) > 1e-3}
        assert moved == linears  # by rounding where they are frozen


def test_8bit_training_stays_near_the_float_one(tiny_recipe, tiny_dataset):
    fields = {"train_images": 320, "warmup_images": 0, "learning_rate": 5e-3}
    float_end, ours = (
        run(quantized_recipe(tiny_recipe, name, **fields), tiny_dataset)
        for name in ("none", "linear8")
    )
    assert ours.loss == pytest.approx(float_end.loss, rel=0.01)
    start = build_network(tiny_recipe.network, tiny_recipe.data).state_dict()
    name = "embedding.linear1.weight"
    ends = [snapshot.tracks["none"][name] - start[name] for snapshot in (ours, float_end)]
    assert F.cosine_similarity(*(end.flatten() for end in ends), dim=0) > 0.95


@EACH
def test_frozen_weights_are_the_same_in_every_track_and_in_the_file(
    tmp_path, mnist5k, architecture
):
    training = TrainingConfig(train_images=16, batch_size=8, quantization="linear4_frozen")
    compression = CompressionConfig(quantization="linear4")
    recipe = Recipe(mnist5k.config(), config(architecture), training, compression=compression)
    snapshot = run(recipe, mnist5k)
    network = build_network(recipe.network, recipe.data)
    frozen = {f"{n}.weight" for n, x in network.named_modules() if isinstance(x, nn.Linear)}
    for state in snapshot.tracks.values():
        assert all(torch.equal(state[name], snapshot.tracks["none"][name]) for name in frozen)
    network.load_state_dict(snapshot.tracks["mid"])
    stored = quantize_weights(network, "linear4")
    assert {name for name, value in stored.items() if isinstance(value, QuantizedTensor)} == frozen
    write_package(tmp_path / "model.pdm", recipe, network)
    again = read_package(tmp_path / "model.pdm").network.state_dict()
    assert all(torch.equal(again[name], value) for name, value in network.state_dict().items())
