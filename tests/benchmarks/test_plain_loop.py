"""The plain loop computes what ours does, so that its time is of the same work."""

import pytest
import torch

from benchmarks.plain_loop import PlainTraining, draw, plain_network
from benchmarks.subjects import made_up_images, our_model, recipe_of
from diffusion.networks import build_network
from diffusion.recipe import NetworkConfig, Precision
from diffusion.schedules import karras_sigmas

NETWORKS = [
    NetworkConfig("ncsn", (8, 16, 32, 64)),
    NetworkConfig("ddpm", (8,)),
    NetworkConfig("mini_ddpm", (8, 16), patch_size=2),
]


def moved(network: torch.nn.Module) -> torch.nn.Module:
    """Move every weight, so that layers that start at zero take part."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return network


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.architecture)
def test_a_plain_network_is_ours(config: NetworkConfig) -> None:
    recipe = recipe_of(config, 4)
    network = moved(build_network(recipe.network, recipe.data))
    inputs = torch.randn(3, 1, 28, 28), torch.linspace(-1, 1, 3), torch.tensor([0, 4, 10])
    plain = plain_network(network)
    torch.testing.assert_close(plain(*inputs), network(*inputs), atol=1e-4, rtol=1e-4)
    assert plain.state_dict().keys() == network.state_dict().keys()


def test_plain_drawing_is_our_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(NETWORKS[2], 4)
    model, labels = our_model(recipe), torch.arange(6)
    moved(model.network)
    noise = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: noise)
    plain = draw(plain_network(model.network), labels, karras_sigmas(8), recipe)
    difference = (plain.int() - model.generate(labels).int()).abs()
    assert int(difference.max()) <= 1
    assert len(plain.unique()) > 10


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_plain_loop_learns(precision: Precision) -> None:
    recipe = recipe_of(NETWORKS[2], 16, precision)
    images, labels = made_up_images(recipe, 16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = PlainTraining(recipe, torch.zeros_like(images), labels)
        losses = [plain.step() for _ in range(40)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
