"""Guidance: both predictions weighed in one call, and only within its interval of noise levels."""

import math

import pytest
import torch
from gaussian_denoiser import DATA
from stub_denoisers import training_of, white
from torch import nn

from diffusion.guidance import guide
from diffusion.process import NoisePredictionDenoiser


class LabelDenoiser(nn.Module):
    """D(x, sigma, label) = x + sigma * label; remembers the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, noisy, sigma, labels):
        self.batches.append(len(noisy))
        return noisy + (sigma * labels)[:, None, None, None]


@pytest.mark.parametrize("guidance", [0, 0.0, 0.5, 1, 1.0, 1.5, 4.0])
def test_guidance_extrapolates_from_hidden_to_label(guidance):
    # D = D(hidden) + guidance * (D(label) - D(hidden)), with D linear in the label.
    labels, hidden, sigma = torch.tensor([0, 1, 2]), 7, 0.5
    denoiser = LabelDenoiser()
    noisy = white(3)
    denoised = guide(denoiser, labels, hidden, guidance)(noisy, sigma)
    effective = hidden + guidance * (labels - hidden)
    torch.testing.assert_close(denoised, noisy + sigma * effective[:, None, None, None])
    assert denoiser.batches == [3 if guidance in (0, 1) else 6]


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5])
def test_guided_denoiser_is_called_once_a_step(guidance):
    denoiser = LabelDenoiser()
    denoise = guide(denoiser, torch.tensor([0, 1]), 2, guidance)
    for sigma in (3.0, 2.0, 1.0):
        denoise(white(2), sigma)
    assert denoiser.batches == [4 if guidance == 1.5 else 2] * 3


def test_guided_noise_is_the_published_lerp_of_both_predictions():
    class NoiseOfLabel(nn.Module):
        def forward(self, images, noise_labels, class_labels):
            return torch.sin(images + class_labels[:, None, None, None])

    denoiser = NoisePredictionDenoiser(NoiseOfLabel(), training_of("noise_prediction"), DATA)
    labels, noisy, sigma = torch.tensor([2, 5]), white(2), 3.0
    scaled = noisy / math.sqrt(10)
    unconditional, conditional = (
        torch.sin(scaled + each[:, None, None, None]) for each in (torch.full((2,), 10), labels)
    )
    expected = noisy - sigma * torch.lerp(unconditional, conditional, 3.0)
    denoised = guide(denoiser, labels, 10, 3.0)(noisy, sigma)
    torch.testing.assert_close(denoised, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_guidance_ends_where_its_interval_does(guidance):
    denoiser, labels, noisy = LabelDenoiser(), torch.tensor([0, 1]), white(2)
    denoise = guide(denoiser, labels, 2, guidance, 0.5, 2.0)
    always, plain = (
        guide(LabelDenoiser(), labels, 2, guidance),
        guide(LabelDenoiser(), labels, 2, 1),
    )
    for sigma in (3.0, 0.25):
        assert torch.equal(denoise(noisy, sigma), plain(noisy, sigma))
    assert denoiser.batches == [2, 2]
    for sigma in (2.0, 1.0, 0.5):
        assert torch.equal(denoise(noisy, sigma), always(noisy, sigma))
        assert not torch.equal(denoise(noisy, sigma), plain(noisy, sigma))
