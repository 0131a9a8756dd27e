"""Fixtures of the study's tests: a recipe for digits, and a study with an injected evaluate."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ray import cloudpickle

from diffusion.data import load_dataset
from diffusion.recipe import (
    CompressionConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)

sys.path.insert(0, str(Path(__file__).parent))
import injected

# Workers cannot import test files: send the injected functions themselves.
cloudpickle.register_pickle_by_value(injected)


@pytest.fixture(scope="session")
def digit_recipe() -> Recipe:
    """A recipe that trains, compresses and scores in seconds."""
    return Recipe(
        data=load_dataset("mnist5k").config(),
        network=NetworkConfig("mini_ddpm", (8, 16), patch_size=2),
        training=TrainingConfig(train_images=64),
        compression=CompressionConfig("l1", 0.3, "all", quantization="weights8"),
        sampling=SamplingConfig(steps=3),
    )


@pytest.fixture
def with_groups(digit_recipe: Recipe) -> Callable[[int], Recipe]:
    """Return the recipe with other groups, which makes another backbone."""
    return lambda groups: replace(
        digit_recipe, network=replace(digit_recipe.network, groups=groups)
    )


@pytest.fixture(scope="session", autouse=True)
def ray_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep Ray's files, and what it knows of clusters, apart from the machine's own."""
    folder = Path("/tmp") / f"ray-tests-{os.getpid()}"  # socket paths must stay short
    folder.mkdir(exist_ok=True)
    os.environ["RAY_TMPDIR"] = str(folder)
