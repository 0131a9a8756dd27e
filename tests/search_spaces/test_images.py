"""The space of any data set draws networks that can be built for images of any size."""

import optuna
import pytest

from diffusion.networks import build_network, count_macs
from diffusion.recipe import DataConfig, Recipe
from search_spaces.images import SPACE, patch_sizes


def drawn(data: DataConfig, trials: int) -> list[Recipe]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [SPACE.suggest(study.ask(), data) for _ in range(trials)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", [16, 20, 28, 32, 45, 48, 64])
def test_all_that_is_drawn_can_be_built(image_size: int, channels: int) -> None:
    data = DataConfig("own", image_size, channels, 3, "0123456789abcdef")
    networks = {recipe.network for recipe in drawn(data, 40)}
    for network in networks:
        built = build_network(network, data)
        assert sum(values.numel() for values in built.parameters()) < 4_000_000
    architectures = {network.architecture for network in networks}
    assert architectures == ({"mini_ddpm", "ncsn"} if 25 <= image_size <= 32 else {"mini_ddpm"})


@pytest.mark.parametrize(
    ("image_size", "patches"),
    [(16, (1, 2)), (28, (2,)), (32, (2, 4)), (64, (4,)), (45, (1,)), (12, (1,))],
)
def test_an_image_is_cut_into_8_to_16_patches_a_side(
    image_size: int, patches: tuple[int, ...]
) -> None:
    assert patch_sizes(image_size) == patches


def test_a_larger_image_costs_a_mini_ddpm_no_more_than_its_patches() -> None:
    costs = []
    for image_size in (32, 64):
        data = DataConfig("own", image_size, 3, 3, "0123456789abcdef")
        recipe = SPACE.recipe(
            {
                "backbone.architecture": "mini_ddpm",
                "backbone.patch_size": image_size // 16,
                "backbone.mini_ddpm.widths": "24-64",
                "backbone.groups": 1,
                "backbone.conditioning": "narrow",
                "ema.track": "short",
                "compression.quantization": "none",
                "compression.finetune_images": 0,
                "compression.prune_method": "none",
                "sampling.steps": 12,
                "sampling.guidance": 2.0,
            },
            data,
        )
        costs.append(count_macs(build_network(recipe.network, data), data))
    assert costs[1] < 1.3 * costs[0]
