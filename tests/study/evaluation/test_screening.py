"""Screening: exact bytes, a drift that means what it says, and nothing trained or written."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest
import small_networks
import torch
from noise_data import noise_dataset
from torch import nn

from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.compress.uniform import covered_names
from diffusion.data import ImageDataset
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import (
    CompressionConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    Track,
    TrainingConfig,
)
from study.evaluation.compressing import compress
from study.evaluation.context import RunContext, TrialContext
from study.evaluation.screening import Screened, screen
from study.run.backbones import Backbone

CPU = torch.device("cpu")
UNIFORM = CompressionConfig(quantization="uniform", quantization_step=1.0)
PRUNED = CompressionConfig("l1", 0.3, "all")
COOL = replace(UNIFORM, finetune_images=64)
COMPRESSIONS = {
    "none": CompressionConfig(),
    "weights8": CompressionConfig(quantization="weights8"),
    "linear4, pruned": replace(PRUNED, quantization="linear4"),
    "random": CompressionConfig("random", 0.5, "extremes"),
    "channels": CompressionConfig("channels_l1", 0.5),
    "channels, uniform": replace(UNIFORM, prune_method="channels_loss", prune_ratio=0.3),
    "uniform": UNIFORM,
    "uniform, fine": replace(UNIFORM, quantization_step=0.5),
    "uniform, pruned": replace(PRUNED, quantization="uniform", quantization_step=0.7),
}


Screen = Callable[..., dict[str, Screened]]


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    """Small images of noise: what is trained does not matter here."""
    return noise_dataset()


@pytest.fixture(scope="module")
def plain(dataset: ImageDataset) -> Recipe:
    network = NetworkConfig("mini_ddpm", (8, 16), patch_size=2)
    # A seed of its own: what is measured of these weights is kept for all of the same training.
    return Recipe(dataset.config(), network, TrainingConfig(train_images=64, seed=11))


@pytest.fixture(scope="module")
def run_screen(plain: Recipe, dataset: ImageDataset) -> Screen:
    """Screen compressions of one backbone, by name."""

    def run(compressions: dict[str, CompressionConfig], **parts: object) -> dict[str, Screened]:
        recipes = {
            name: replace(plain, compression=compression, **parts)
            for name, compression in compressions.items()
        }
        found = screen(
            list(recipes.values()), lambda track: network_of(plain, track), dataset, CPU
        )
        by_key = {screened.recipe_key: screened for screened in found}
        return {name: by_key[recipe.key] for name, recipe in recipes.items()}

    return run


@pytest.fixture(scope="module")
def table(run_screen: Screen) -> dict[str, Screened]:
    """All compressions, screened together: what they share must change none of them."""
    return run_screen(COMPRESSIONS)


def network_of(recipe: Recipe, track: Track) -> nn.Module:
    """Return weights of no training, others for each average."""
    network = build_network(recipe.network, recipe.data)
    return cast(nn.Module, small_networks.perturb(network, seed=len(track)))


class FakeBackbone(Backbone):
    """A backbone without a folder."""

    def network(self) -> nn.Module:
        return network_of(self.recipe, self.recipe.ema.track)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_the_bytes_are_those_of_the_real_package(
    name: str, plain: Recipe, dataset: ImageDataset, table: dict[str, Screened], tmp_path: Path
) -> None:
    recipe, path = replace(plain, compression=COMPRESSIONS[name]), tmp_path / PACKAGE_NAME
    trial = TrialContext(RunContext("noise", None, tmp_path, tmp_path, 10), tmp_path)
    compressed = compress(recipe, FakeBackbone(recipe, tmp_path, 0.0), trial, dataset, 0)
    size_bytes = write_package(path, recipe, compressed.network, compressed.steps)
    assert table[name].size_bytes == size_bytes
    network = read_package(path).network
    counts = count_parameters(network)
    assert (table[name].parameters, table[name].nonzero_parameters) == counts
    assert table[name].macs == count_macs(network, recipe.data)


def test_what_is_not_compressed_does_not_drift(
    run_screen: Screen,
) -> None:
    found = run_screen({"none": CompressionConfig()})["none"]
    assert found.drift == 0
    assert found.loss == found.track_loss


def test_drift_grows_and_bytes_fall_with_the_step(
    run_screen: Screen,
) -> None:
    steps = {str(step): replace(UNIFORM, quantization_step=step) for step in (0.1, 0.5, 2.0)}
    found = list(run_screen(steps).values())
    drifts, sizes = [s.drift or 0.0 for s in found], [s.size_bytes or 0 for s in found]
    assert 0 < drifts[0] < drifts[1] < drifts[2]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_drift_is_from_the_average_of_the_least_loss(plain: Recipe, dataset: ImageDataset) -> None:
    tracks: tuple[Track, ...] = ("none", "short", "mid")
    recipes = [replace(plain, ema=EmaConfig(track)) for track in tracks]
    found = list(screen(recipes, lambda track: network_of(plain, track), dataset, CPU))
    best = min(found, key=lambda screened: screened.track_loss)
    assert all((screened.drift == 0) == (screened.loss == best.loss) for screened in found)
    assert all(screened.loss == screened.track_loss for screened in found)
    assert len({screened.loss for screened in found}) == len(tracks)


def test_equal_calls_give_equal_figures(run_screen: Screen, table: dict[str, Screened]) -> None:
    again = run_screen(COMPRESSIONS)
    for name in COMPRESSIONS:
        assert replace(table[name], seconds=0) == replace(again[name], seconds=0)


def test_a_cool_down_is_screened_as_it_begins(
    run_screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffusion.cool_down.Descent", None)  # training would raise
    how = {"finetune_teacher": True, "finetune_learning_rate": 0.0003141592653589793}
    cool = replace(PRUNED, finetune_images=6_400, **how)
    found = run_screen({"plain": PRUNED, "cool": cool, "errors": UNIFORM, "nearest": COOL})
    assert found["cool"].drift == found["plain"].drift
    # Its header says more.
    assert found["cool"].size_bytes > found["plain"].size_bytes
    assert (found["nearest"].drift or 0) > (found["errors"].drift or 0) > 0


def test_other_sampling_changes_neither_drift_nor_loss(
    run_screen: Screen, table: dict[str, Screened]
) -> None:
    other = run_screen({"uniform": UNIFORM}, sampling=SamplingConfig(steps=5))["uniform"]
    assert (other.drift, other.loss) == (table["uniform"].drift, table["uniform"].loss)
    assert other.size_bytes == table["uniform"].size_bytes
    assert other.recipe_key != table["uniform"].recipe_key


def test_a_step_that_leaves_no_weights_is_told(
    run_screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffusion.compress.original.steps_by", far_too_large)
    coarse = {"errors": replace(UNIFORM, quantization_step=16.0)}
    coarse["nearest"] = replace(coarse["errors"], finetune_images=64)
    for found in run_screen(coarse).values():
        assert found.reason == (
            "compression.quantization_step is 16, which rounds all weights to 0; "
            "allowed: a smaller step"
        )
        assert found.drift is found.loss is found.size_bytes is found.nonzero_parameters is None
        assert found.parameters > 0


def test_the_figures_are_plain_values_and_nothing_is_written(
    run_screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writer in ("os.open", "os.mkdir", "diffusion.files.write_bytes"):
        monkeypatch.setattr(writer, lambda *given, **more: pytest.fail("written"))
    for found in run_screen({"uniform": UNIFORM, "cool": COOL}).values():
        values = asdict(found)
        assert json.loads(json.dumps(values)) == values
        assert found.seconds > 0


def test_recipes_of_several_backbones_are_refused(plain: Recipe, dataset: ImageDataset) -> None:
    other = replace(plain, training=replace(plain.training, train_images=128))
    with pytest.raises(ValueError, match="recipes are of 2 backbones; allowed: one"):
        screen([plain, other], lambda track: nn.Identity(), dataset, CPU)


def test_no_recipes_are_screened_at_once(dataset: ImageDataset) -> None:
    assert list(screen([], lambda track: nn.Identity(), dataset, CPU)) == []


def far_too_large(sensitivities: Any, network: nn.Module, *given: Any) -> dict[str, float]:
    return dict.fromkeys(covered_names(network), 1024.0)
