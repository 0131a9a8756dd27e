"""Fixtures shared by all tests: tiny data, a tiny recipe, its network, and the 5,000 digits."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

from diffusion.data import ImageDataset, load_dataset
from diffusion.networks import build_network
from diffusion.recipe import NetworkConfig, Recipe, SamplingConfig, TrainingConfig

# A busy machine must not fail a test: no example has a deadline, nor is drawing one measured.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """Keep reference statistics of earlier code, and the user's database, out of the tests."""
    os.environ.pop("PARETODIFF_STORAGE", None)
    os.environ["PARETODIFF_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_dataset():
    """48 random grey images of 8x8 pixels in 3 classes, 36 of them for training."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (48, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.arange(48) % 3
    return ImageDataset(
        "tiny", ("a", "b", "c"), images[:36], labels[:36], images[36:], labels[36:]
    )


@pytest.fixture(scope="session")
def tiny_data(tiny_dataset):
    return tiny_dataset.config()


@pytest.fixture(scope="session")
def tiny_recipe(tiny_data):
    return Recipe(
        data=tiny_data,
        network=NetworkConfig(architecture="mini_ddpm", widths=(8, 16), patch_size=2),
        training=TrainingConfig(train_images=64, batch_size=16),
        sampling=SamplingConfig(steps=3),
    )


@pytest.fixture
def tiny_network(tiny_recipe):
    """The tiny recipe's network, as if trained: no parameter is zero."""
    network = build_network(tiny_recipe.network, tiny_recipe.data, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.05 * torch.randn(values.shape, generator=generator))
    return network


@pytest.fixture(scope="session")
def mnist5k():
    return load_dataset("mnist5k")
