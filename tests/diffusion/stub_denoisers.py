"""Denoisers around a network that predicts one value, and the noise and labels they are given."""

import torch
from gaussian_denoiser import DATA, generator
from torch import nn

from diffusion.process import DENOISERS
from diffusion.recipe import TrainingConfig

TRAINING = TrainingConfig(train_images=1)
SIGMA_DATA = 0.5  # As Karras et al. 2022 assume.
NO_LABELS = torch.zeros(4, dtype=torch.int64)
SIGMAS = torch.tensor([0.002, 0.1, 1.0, 80.0])


class Constant(nn.Module):
    """A network that predicts one value and remembers what it was given."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images, noise_labels, class_labels):
        self.given = images, noise_labels, class_labels
        return torch.full_like(images, self.value)


def training_of(formulation, beta_schedule="linear", **fields):
    return TrainingConfig(1, formulation=formulation, beta_schedule=beta_schedule, **fields)


def constant_denoiser(formulation, beta_schedule="linear", value=0.0):
    return DENOISERS[formulation](Constant(value), training_of(formulation, beta_schedule), DATA)


def white(count, size=8, std=1.0, seed=0):
    return std * torch.randn(count, 1, size, size, generator=generator(seed))


def hidden_labels(count):
    return torch.zeros(count, dtype=torch.int64)


def loss_of(denoiser, images, seed=1):
    return denoiser.loss(images, hidden_labels(len(images)), generator(seed)).item()
