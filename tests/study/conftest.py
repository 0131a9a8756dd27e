"""Fixtures of the study's tests: a recipe for digits, and a study with an injected evaluate."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import injected
import pytest
from ray import cloudpickle
from ray._private import ray_constants
from small_run import SETTINGS

from diffusion.data import ImageDataset, load_dataset
from diffusion.recipe import (
    CompressionConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from study.cli.parser import USAGE_STATUS, run_command
from study.cluster.resources import Resources
from study.run.settings import RunSettings

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
def settings(digit_recipe: Recipe) -> RunSettings:
    """The settings of a small run on the embedded digits."""
    return replace(SETTINGS, data=dict(vars(digit_recipe.data)))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[Callable[[], int]], str]:
    """Run a command that must end with the status of bad input, and return its one line."""

    def run(command: Callable[[], int]) -> str:
        with pytest.raises(SystemExit) as exit_info:
            run_command(command)
        assert exit_info.value.code == USAGE_STATUS
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        return line

    return run


@pytest.fixture
def with_groups(digit_recipe: Recipe) -> Callable[[int], Recipe]:
    """Return the recipe with other groups, which makes another backbone."""
    return lambda groups: replace(
        digit_recipe, network=replace(digit_recipe.network, groups=groups)
    )


@pytest.fixture(scope="session", autouse=True)
def ray_folder() -> Iterator[None]:
    """Keep Ray's files, and what it knows of clusters, apart from the machine's own."""
    # At Ray's nice 15 the tests of the other process would starve a study's trials.
    os.environ[ray_constants.RAY_WORKER_NICENESS] = "0"
    # Socket paths must stay short; processes of Ray that still end may write there once more.
    with tempfile.TemporaryDirectory(
        prefix="ray-tests-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        os.environ["RAY_TMPDIR"] = folder
        yield


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no Ray for a command that must end before its first trial."""
    resources = Resources(1.0, 0.0, 1)
    for module in ("search", "verify"):
        monkeypatch.setattr(f"study.commands.{module}.ray_session", lambda *_, **__: nullcontext())
        monkeypatch.setattr(
            f"study.commands.{module}.resolve_resources", lambda *given, **more: resources
        )


@pytest.fixture
def one_dataset(mnist5k: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the digits once for all tests of a search's options."""
    monkeypatch.setattr("study.cli.resolve.load_dataset", lambda *given, download: mnist5k)
