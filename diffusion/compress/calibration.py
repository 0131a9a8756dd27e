"""Calibration: noisy images on which a compressed denoiser is compared with its original."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from diffusion.data import to_signed_range
from diffusion.denoiser import per_image
from diffusion.process import build_denoiser
from diffusion.randomness import white_like
from diffusion.recipe import Precision, Recipe

NUM_IMAGES = 128
# Between them an image is formed: below, nothing is left to do; above, its mean is the answer.
LEAST_SIGMA, MOST_SIGMA = 0.05, 20.0
PRECISION: Precision = "float32"  # Small changes would drown in the rounding of bf16.
HIDDEN_LABELS = 4  # One in so many: samplers that guide ask for both, and rounding harms both.


@dataclass(frozen=True)
class Calibration:
    """Noisy images with noise levels and labels, the same for the same recipe and data.

    Attributes:
        clean, noisy: [N, C, H, W] float32, in the range that the denoiser works in.
        sigma: [N] float32, evenly spaced in its logarithm, in random order.
        labels: [N] int64; some of them may be hidden.
        weight: [N, 1, 1, 1], by which a squared error counts at a noise level (Karras et al.
            2022, table 1).
    """

    recipe: Recipe
    clean: Tensor
    noisy: Tensor
    sigma: Tensor
    labels: Tensor
    weight: Tensor

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        num_images: int = NUM_IMAGES,
        seed: int = 0,
        *,
        least_sigma: float = LEAST_SIGMA,
        hides: bool = True,
    ) -> Self:
        """Draw images and noise.

        Args:
            recipe: of the network.
            network: on the device to run on; its denoiser's range and noise levels count.
            images: [N, C, H, W] uint8, to draw from.
            labels: [N] int64.
            num_images: how many to draw, with repetition.
            seed: of the draws, on the CPU whatever the device.
            least_sigma: the least noise level, where the denoiser knows it.
            hides: whether some labels are hidden.
        """
        denoiser = build_denoiser(network, recipe, PRECISION)
        device = next(network.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randint(len(images), (num_images,), generator=generator)
        ends = max(least_sigma, denoiser.sigma_min), min(MOST_SIGMA, denoiser.sigma_max)
        levels = torch.logspace(math.log10(ends[0]), math.log10(ends[1]), num_images)
        sigma = levels[torch.randperm(num_images, generator=generator)]
        hide = torch.randint(HIDDEN_LABELS, (num_images,), generator=generator) == 0
        hide &= hides
        clean = denoiser.from_signed_range(to_signed_range(images[chosen].to(device)))
        sigma = sigma.to(device)
        std = recipe.data.pixel_std
        return cls(
            recipe,
            clean,
            clean + white_like(clean, generator) * per_image(sigma),
            sigma,
            labels[chosen].masked_fill(hide, recipe.data.num_classes).to(device),
            per_image((sigma**2 + std**2) / (sigma * std) ** 2),
        )

    @torch.no_grad()
    def denoise(self, network: nn.Module, labels: Tensor | None = None) -> Tensor:
        """Return what a network of the recipe makes of the images, maybe with other labels."""
        denoiser = build_denoiser(network, self.recipe, PRECISION).eval()
        asked = self.labels if labels is None else labels
        denoised: Tensor = denoiser(self.noisy, self.sigma, asked)
        return denoised

    def drift(self, network: nn.Module, original: Tensor) -> float:
        """Return the weighted mean squared change from the original network's output."""
        return float(self.distances(self.denoise(network), original).mean())

    def loss(self, denoised: Tensor) -> float:
        """Return the weighted mean squared error of what a network made of the images."""
        return float(self.distances(denoised, self.clean).mean())

    def distances(self, denoised: Tensor, target: Tensor) -> Tensor:
        """Return each image's weighted mean squared difference, [N]."""
        return (self.weight * (denoised - target).square()).mean(dim=(1, 2, 3))
