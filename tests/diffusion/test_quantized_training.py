"""Training with quantized linear layers: what they compute, that they learn, and their averages.

bitsandbytes' own layers come first, in the loop that ruins their averages.
"""

import copy
import functools
import logging
from dataclasses import replace

import bitsandbytes.nn as bnb
import pytest
import torch
import torch.nn.functional as F
from small_networks import DIGITS, SMALL_WIDTHS, call, config, perturb
from torch import nn

from diffusion.batches import Batches
from diffusion.compress.package import read_package, write_package
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.config import choices
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.optimizers import build_optimizer
from diffusion.process import build_denoiser
from diffusion.quantized_training import (
    StraightThroughLinear4bit,
    float_state,
    quantize_linears,
)
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
    TrainingQuantization,
)
from diffusion.train import train

CPU = torch.device("cpu")
QUANTIZATIONS = [name for name in choices(TrainingQuantization) if name != "none"]
QUANTIZED = pytest.mark.parametrize("quantization", QUANTIZATIONS)
EACH = pytest.mark.parametrize("architecture", SMALL_WIDTHS)
# How the weights are stored in the file, as they were trained.
PACKAGED = {
    "none": "none",
    "linear8": "linear8",
    "linear4_frozen": "linear4",
    "linear4_straight_through": "linear4",
}


@pytest.fixture(autouse=True, scope="module")
def _quiet_bitsandbytes():
    """It warns at each call that it computes in half precision."""
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# The explanation of the black images.


def descend(layer, clears_before_the_loss, steps=20):
    """Fit a layer to random targets; return its output in training, before and after."""
    features, targets = normal(32, 16), normal(32, 8, seed=1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    first = layer(features).detach()
    for _ in range(steps):
        if clears_before_the_loss:
            optimizer.zero_grad()
        loss = (layer(features) - targets).square().mean()
        if not clears_before_the_loss:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if clears_before_the_loss:
        optimizer.zero_grad()
    return first, layer(features).detach(), F.linear(features, layer.weight.detach())


def distance(first, second):
    return ((first - second).norm() / second.norm()).item()


def test_8bit_layer_keeps_its_first_codes_where_gradients_are_cleared_after_the_loss():
    layer = bnb.Linear8bitLt(16, 8, bias=False)
    start = layer.weight.detach().clone()
    first, last, of_the_weight = descend(layer, clears_before_the_loss=False)
    assert torch.equal(first, last)
    # All the while its float weight has moved: a copy made of it computes something else.
    assert distance(layer.weight.detach(), start) > 0.5
    assert distance(of_the_weight, last) > 0.5


def test_8bit_layer_follows_its_weight_where_gradients_are_cleared_before_the_loss():
    layer = bnb.Linear8bitLt(16, 8, bias=False)
    first, last, of_the_weight = descend(layer, clears_before_the_loss=True)
    assert distance(last, first) > 0.5
    assert distance(last, of_the_weight) < 0.02


def test_8bit_layer_that_only_evaluates_keeps_the_codes_of_its_first_call():
    layer = bnb.Linear8bitLt(16, 8, bias=False).eval().requires_grad_(False)
    features = normal(4, 16)
    first = layer(features)
    assert distance(first, F.linear(features, layer.weight)) < 0.02
    layer.weight.mul_(-3)
    assert torch.equal(layer(features), first)
    assert distance(layer.train()(features), -3 * first) < 0.02


def test_packed_4bit_weights_cannot_be_averaged():
    layers = [bnb.Linear4bit(16, 8, bias=False).to("cpu") for _ in range(2)]
    first, second = (layer.weight.data for layer in layers)
    assert first.dtype == torch.uint8
    with pytest.raises(RuntimeError):
        first.lerp_(second, 0.5)


# What stands in for a linear layer.


@EACH
@QUANTIZED
def test_linear_layers_are_replaced_and_no_others(architecture, quantization):
    network = build_network(config(architecture), DIGITS)
    before = dict(network.named_modules())
    weights = network.state_dict()
    quantize_linears(network, quantization)
    after = dict(network.named_modules())
    assert after.keys() == before.keys()
    replaced = {name for name in before if after[name] is not before[name]}
    assert replaced == {name for name, layer in before.items() if type(layer) is nn.Linear}
    assert len(replaced) > 3
    state = float_state(network)
    assert list(state) == list(weights)
    covered = {f"{name}.weight" for name in replaced}
    for name, value in state.items():
        assert value.dtype == torch.float32
        assert not value.requires_grad
        rounded = name in covered and quantization == "linear4_frozen"
        assert torch.equal(value, weights[name]) != rounded, name
        assert distance(value + 1e-9, weights[name] + 1e-9) < 0.2


def test_nothing_is_replaced_without_quantization():
    network = build_network(config("ncsn"), DIGITS)
    before = dict(network.named_modules())
    quantize_linears(network, "none")
    assert all(before[name] is layer for name, layer in network.named_modules())


@EACH
@QUANTIZED
def test_quantized_network_predicts_about_what_the_plain_one_does(architecture, quantization):
    network = perturb(build_network(config(architecture), DIGITS))
    expected = call(network, DIGITS)
    quantize_linears(network, quantization)
    error = distance(call(network, DIGITS), expected)
    assert 0 < error < (0.03 if quantization == "linear8" else 0.3)
    plain = build_network(config(architecture), DIGITS)
    plain.load_state_dict(float_state(network))
    if quantization == "linear4_frozen":
        assert distance(call(plain, DIGITS), call(network, DIGITS)) < 0.01
    else:
        assert torch.equal(call(plain, DIGITS), expected)


@QUANTIZED
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_those_of_the_float_layer(quantization, shape, precision):
    plain = nn.Sequential(nn.Linear(16, 8))
    quantized = copy.deepcopy(plain)
    quantize_linears(quantized, quantization)
    features, weights = normal(*shape, 16), normal(*shape, 8, seed=1)
    inputs = [features.clone().requires_grad_() for _ in range(2)]
    for network, each in zip((plain, quantized), inputs, strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            output = network(each.to(precision))
        assert output.shape == (*shape, 8)
        (output.float() * weights).sum().backward()
    assert distance(inputs[1].grad, inputs[0].grad) < 0.2
    assert distance(quantized[0].bias.grad, plain[0].bias.grad) < 0.02
    assert quantized[0].bias.dtype == torch.float32
    if quantization == "linear4_frozen":
        assert quantized[0].weight.grad is None
    else:
        assert distance(quantized[0].weight.grad, plain[0].weight.grad) < 0.02


@pytest.mark.parametrize("quantization", ["linear4_frozen", "linear4_straight_through"])
def test_evaluating_does_not_change_the_state(quantization):
    network = nn.Sequential(nn.Linear(64, 64))
    quantize_linears(network, quantization)
    features = normal(4, 64)
    with torch.no_grad():
        trained = network(features)
        state = {name: value.clone() for name, value in float_state(network).items()}
        assert distance(network.eval()(features), trained) < 0.02
    for name, value in float_state(network).items():
        assert torch.equal(value, state[name])
    assert distance(F.linear(features, state["0.weight"], state["0.bias"]), trained) < 0.2


def test_straight_through_layer_computes_with_the_4_bits_that_the_file_would_hold():
    plain = nn.Sequential(nn.Linear(100, 7))
    stored = quantize_weights(plain, "linear4")["0.weight"].dequantize()
    layer = StraightThroughLinear4bit(100, 7)
    layer.weight, layer.bias = plain[0].weight, plain[0].bias
    features = normal(3, 100)
    expected = F.linear(features, stored, plain[0].bias)
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)


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


# The images of trained models.


# What is trained on the digits, which are shrunk for the slower network.
NETWORKS = {"ncsn": NetworkConfig("ncsn", (8, 16, 32, 64)), "ddpm": NetworkConfig("ddpm", (4,))}
DIGIT_SIZES = {"ncsn": 28, "ddpm": 16}
BATCH_SIZES = {"ncsn": 32, "ddpm": 16}


def digits(dataset, size):
    """Return the training digits at another size."""
    images = dataset.train_images.float()
    return F.interpolate(images, (size, size), mode="area").round().to(torch.uint8)


def digits_recipe(architecture, quantization, steps=40, learning_rate=6e-3):
    return Recipe(
        DataConfig("digits", DIGIT_SIZES[architecture], 1, 10, ""),
        NETWORKS[architecture],
        TrainingConfig(
            train_images=steps * BATCH_SIZES[architecture],
            batch_size=BATCH_SIZES[architecture],
            optimizer="adamw" if quantization == "none" else "adamw8bit",
            learning_rate=learning_rate,
            warmup_images=0,
            ema_decay=0.85,
            ema_copy_steps=steps // 2,
            quantization=quantization,
        ),
        compression=CompressionConfig(quantization=PACKAGED[quantization]),
        sampling=SamplingConfig(steps=8, guidance=1.0),
    )


@pytest.fixture(scope="module")
def trained(mnist5k):
    """Train a recipe on the digits, once."""

    @functools.cache
    def train_once(recipe):
        images = digits(mnist5k, recipe.data.image_size)
        *_, snapshot = train(recipe, images, mnist5k.train_labels, CPU)
        return snapshot.tracks

    return train_once


def light(images):
    """Return the mean and the standard deviation of pixels; both are 0 where all is black."""
    unit = images.float() / 255
    return torch.tensor([unit.mean(), unit.std()])


def draw(model):
    return light(model.generate(torch.arange(60) % 10))


def draw_from_package(folder, recipe, state):
    network = build_network(recipe.network, recipe.data)
    network.load_state_dict(state)
    write_package(folder / "model.pdm", recipe, network)
    return draw(read_package(folder / "model.pdm"))


def near(found, expected, tolerances):
    return bool(((found / expected - 1).abs() < torch.tensor(tolerances)).all())


# Of the mean and the standard deviation: a few hundred digits teach how light images are.
TO_DATA, TO_FLOAT = (0.5, 0.3), (0.15, 0.1)


@pytest.mark.parametrize(
    ("architecture", "quantization"),
    [
        ("ncsn", "linear8"),
        ("ncsn", "linear4_frozen"),
        ("ncsn", "linear4_straight_through"),
        pytest.param("ddpm", "linear8", marks=pytest.mark.slow),
    ],
)
def test_averages_of_quantized_trainings_draw_images_as_light_as_the_data(
    tmp_path, mnist5k, trained, architecture, quantization
):
    data = light(digits(mnist5k, DIGIT_SIZES[architecture]))
    for track in ("exponential", "short"):
        found, expected = (
            draw_from_package(tmp_path, replace(recipe, ema=EmaConfig(track)), state)
            for recipe in (
                digits_recipe(architecture, quantization),
                digits_recipe(architecture, "none"),
            )
            for state in [trained(recipe)[track]]
        )
        assert near(found, data, TO_DATA), track
        assert near(found, expected, TO_FLOAT), track


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_average_of_a_longer_quantized_training_is_nearer_to_the_data(tmp_path, mnist5k, trained):
    recipe = digits_recipe("ddpm", "linear8", steps=400, learning_rate=2e-3)
    recipe = replace(recipe, ema=EmaConfig("exponential"))
    found = draw_from_package(tmp_path, recipe, trained(recipe)["exponential"])
    assert near(found, light(digits(mnist5k, DIGIT_SIZES["ddpm"])), (0.25, 0.15))


def naive_average(recipe, images, labels):
    """Train as it goes wrong: clear gradients after the loss, average the running network."""
    config = recipe.training
    network = build_network(recipe.network, recipe.data, config.seed)
    quantize_linears(network, config.quantization)
    average = copy.deepcopy(network).requires_grad_(False)
    denoiser = build_denoiser(network, recipe).train()
    optimizer = build_optimizer(network, config)
    generator = torch.Generator().manual_seed(config.seed)
    batches = Batches(images, labels, config, recipe.data.num_classes, CPU)
    for step in range(1, config.train_images // config.batch_size + 1):
        loss = denoiser.loss(*batches.draw(step - 1), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        keep = 0.0 if step <= config.ema_copy_steps else config.ema_decay
        for ours, theirs in zip(average.parameters(), network.parameters(), strict=True):
            ours.lerp_(theirs.detach(), 1 - keep)
    return average, network


def test_average_of_the_running_8bit_network_draws_darkness(mnist5k):
    # The training of the test above, but for the two things that this project does otherwise.
    recipe = digits_recipe("ddpm", "linear8")
    images = digits(mnist5k, recipe.data.image_size)
    average, running = naive_average(recipe, images, mnist5k.train_labels)
    data = light(images)
    dark, bright = draw(DiffusionModel(recipe, average)), draw(DiffusionModel(recipe, running))
    assert near(bright, data, TO_DATA), "by the codes of its first step"
    assert not near(dark, data, TO_DATA)
    assert not near(dark, bright, TO_FLOAT)
    assert (dark < 0.6 * bright).all()
