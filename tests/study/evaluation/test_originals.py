"""What is measured of a backbone is measured once, as long as there is room for it."""

from dataclasses import replace

import pytest
import small_networks
import torch
from noise_data import noise_dataset
from torch import nn

from diffusion.compress import original
from diffusion.data import ImageDataset
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, TrainingConfig
from study.evaluation import originals
from study.evaluation.originals import forget, original_of

STEPS = [CompressionConfig(quantization="uniform", quantization_step=step) for step in (0.7, 1.4)]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often each measurement was made, with nothing kept from before."""
    monkeypatch.setattr(originals, "_known", type(originals._known)())
    found = {"measure_sensitivities": 0, "measure_spreads": 0}
    for name in found:
        measure = getattr(original, name)

        def counted(*given: object, name: str = name, measure: object = measure) -> object:
            found[name] += 1
            assert callable(measure)
            return measure(*given)

        monkeypatch.setattr(original, name, counted)
    return found


def compressed(network: nn.Module, recipe: Recipe, dataset: ImageDataset) -> list[torch.Tensor]:
    """Return the first weights of a network, rounded in a recipe's way."""
    rounded, _ = original_of(network, recipe, dataset).compressed(recipe.compression)
    forget()
    return [parameter.detach() for parameter in rounded.parameters()]


def test_all_compressions_of_a_backbone_share_its_measurements(counts: dict[str, int]) -> None:
    dataset, network, recipe = backbone()
    first, second, again = (
        compressed(network, replace(recipe, compression=step), dataset)
        for step in (*STEPS, STEPS[0])
    )
    assert counts == {"measure_sensitivities": 1, "measure_spreads": 1}
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, second))
    other = replace(recipe, training=replace(recipe.training, seed=7), compression=STEPS[0])
    compressed(network, other, dataset)
    assert counts == {"measure_sensitivities": 2, "measure_spreads": 2}


def test_where_there_is_no_room_spreads_are_measured_again(
    counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "MOST_BYTES", 1_000)
    dataset, network, recipe = backbone()
    rounded = replace(recipe, compression=STEPS[0])
    first, again = (compressed(network, rounded, dataset) for _ in range(2))
    assert counts == {"measure_sensitivities": 1, "measure_spreads": 2}
    assert all(map(torch.equal, first, again))


def test_what_was_asked_for_longest_ago_is_forgotten_first(
    counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, network, recipe = backbone()
    one, two, three = (
        replace(recipe, training=replace(recipe.training, seed=seed), compression=STEPS[0])
        for seed in range(3)
    )
    compressed(network, one, dataset)
    (kept,) = originals._known.values()
    monkeypatch.setattr(originals, "MOST_BYTES", 2 * kept.memory_bytes)
    for asked in (two, one, three):  # there is room for two of them
        compressed(network, asked, dataset)
    assert counts["measure_spreads"] == 3
    compressed(network, one, dataset)
    assert counts["measure_spreads"] == 3
    compressed(network, two, dataset)
    assert counts["measure_spreads"] == 4
    monkeypatch.setattr(originals, "MOST_KEPT", 1)
    compressed(network, three, dataset)
    compressed(network, two, dataset)
    assert counts["measure_sensitivities"] == 4, "nothing at all is known of it"


def backbone() -> tuple[ImageDataset, nn.Module, Recipe]:
    """Return noise, a network for it that was not trained, and their recipe."""
    dataset = noise_dataset()
    config = NetworkConfig("mini_ddpm", (8, 16), patch_size=2)
    recipe = Recipe(dataset.config(), config, TrainingConfig(train_images=64))
    network: nn.Module = small_networks.perturb(build_network(config, recipe.data))
    return dataset, network, recipe
