"""Noise comes from CPU generators on any device; the meta device, without data, stands for one."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from diffusion import descent as descent_module
from diffusion import model as model_module
from diffusion.config import choices
from diffusion.descent import Descent
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.process import DENOISERS
from diffusion.randomness import white_like
from diffusion.recipe import DataConfig, Formulation, TrainingConfig
from diffusion.samplers import SAMPLERS


@pytest.fixture(autouse=True)
def no_autocast(monkeypatch):
    """Leave out what does not know the meta device; in float32 it does nothing."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


class Damping(nn.Module):
    def forward(self, images, noise_labels, class_labels):
        return images / 2


def drawn_from(device, draw):
    """Return what is drawn for images on a device, and the generator's state after it."""
    generator = torch.Generator().manual_seed(3)
    images = torch.zeros(4, 1, 8, 8, device=device)
    return draw(images, generator), generator.get_state()


def assert_same_draws(draw):
    here, state = drawn_from("cpu", draw)
    there, state_there = drawn_from("meta", draw)
    assert (here.device.type, there.device.type) == ("cpu", "meta")
    assert (here.shape, here.dtype) == (there.shape, there.dtype)
    assert torch.equal(state, state_there), "the same numbers were drawn"
    assert not torch.equal(state, torch.Generator().manual_seed(3).get_state())


def test_white_noise_is_drawn_alike_on_any_device():
    assert_same_draws(white_like)


@pytest.mark.parametrize("formulation", choices(Formulation))
def test_training_noise_is_drawn_alike_on_any_device(formulation):
    training = TrainingConfig(train_images=1, formulation=formulation)
    data = DataConfig("digits", 28, 1, 10, "")
    denoiser = DENOISERS[formulation](Damping(), training, data)

    def loss(images, generator):
        labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return denoiser.loss(images, labels, generator)

    assert_same_draws(loss)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("ddim", {"eta": 1.0}),
        ("ancestral", {}),
        ("euler_maruyama", {}),
        ("predictor_corrector", {}),
    ],
)
def test_samplers_draw_alike_on_any_device(sampler, options):
    def draw(noise, generator):
        sigmas = [4.0, 2.0, 1.0, 0.0]
        return SAMPLERS[sampler](lambda x, sigma: x / 2 + 1, noise, sigmas, generator, **options)

    assert_same_draws(draw)


def test_checkpoint_goes_on_on_another_device(tiny_recipe, tiny_dataset, monkeypatch):
    # The true optimizers do not know the meta device.
    monkeypatch.setattr(
        descent_module, "build_optimizer", lambda n, _: torch.optim.SGD(n.parameters(), lr=0.01)
    )

    def descent(device):
        network = build_network(tiny_recipe.network, tiny_recipe.data).to(device)
        images, labels = tiny_dataset.train_images, tiny_dataset.train_labels
        return Descent(network, tiny_recipe, tiny_recipe.training, images, labels)

    here, there = descent("cpu"), descent("meta")
    here.advance()
    there.load(here.state(), step=1)
    assert there.advance().device.type == "meta"
    assert there.images_seen == 2 * tiny_recipe.training.batch_size


def test_generated_images_start_from_noise_of_the_cpu(tiny_recipe, monkeypatch):
    given = []

    def sampler(denoise, noise, sigmas, generator):
        given.append((noise.device.type, generator.device.type))
        return torch.zeros(noise.shape)

    monkeypatch.setattr(model_module, "build_sampler", lambda _: sampler)
    recipe = replace(tiny_recipe, sampling=replace(tiny_recipe.sampling, guidance=1.0))
    network = build_network(recipe.network, recipe.data)
    DiffusionModel(recipe, network, "meta").generate(torch.tensor([0, 1, 2]), batch_size=2)
    assert given == [("meta", "cpu")] * 2
