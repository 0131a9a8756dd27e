"""Averages of quantized trainings draw images as light as the data, where naive ones are dark."""

import copy
import functools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from short_trainings import CPU

from diffusion.batches import Batches
from diffusion.compress.package import read_package, write_package
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.optimizers import build_optimizer
from diffusion.process import build_denoiser
from diffusion.quantized_training import quantize_linears
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from diffusion.train import train

pytestmark = pytest.mark.usefixtures("_quiet_bitsandbytes")

# How the weights are stored in the file, as they were trained.
PACKAGED = {
    "none": "none",
    "linear8": "linear8",
    "linear4_frozen": "linear4",
    "linear4_straight_through": "linear4",
}

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
