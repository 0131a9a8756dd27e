"""Noise, training target and denoiser: what stands between a raw network and a sampler.

Whatever the formulation, samplers see one denoiser D(x, sigma, label) for variance-exploding
noise: x is the clean image plus sigma times white noise.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffusion.recipe import Recipe, TrainingConfig

# D(x, sigma): [N, C, H, W] noisy images and one noise level to expected clean images.
Denoise = Callable[[Tensor, float], Tensor]

SIGMA_DATA = 0.5  # Standard deviation of the images, as in Karras et al. 2022.


class EdmDenoiser(nn.Module):
    """The preconditioned denoiser of Karras et al. 2022 (equation 7, table 1)."""

    def __init__(self, network: nn.Module, training: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.training_config = training

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Estimate the clean images.

        Args:
            noisy: [N, C, H, W] float32, clean images plus sigma times white noise.
            sigma: [N] float32, above 0.
            labels: [N] int64; the number of classes stands for the hidden label.

        Returns:
            [N, C, H, W] float32.
        """
        # c_skip, c_out, c_in and c_noise of table 1.
        variance = sigma**2 + SIGMA_DATA**2
        c_skip = _per_image(SIGMA_DATA**2 / variance)
        c_out = _per_image(sigma * SIGMA_DATA / variance.sqrt())
        c_in = _per_image(1 / variance.sqrt())
        c_noise = sigma.log() / 4
        use_bf16 = self.training_config.precision == "bf16"
        with torch.autocast(noisy.device.type, torch.bfloat16, enabled=use_bf16):
            raw = self.network(c_in * noisy, c_noise, labels)
        return c_skip * noisy + c_out * raw.float()

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw noise and return the weighted squared error (equation 2), about 1 untrained.

        Args:
            images: [N, C, H, W] float32 in [-1, 1].
            labels: [N] int64.
            generator: draws noise levels and noise, on the images' device.
        """
        # Training noise levels are log-normal (table 1, P_mean and P_std).
        mean, std = self.training_config.log_sigma_mean, self.training_config.log_sigma_std
        levels = torch.randn(len(images), generator=generator, device=images.device)
        sigma = (mean + std * levels).exp()
        white = torch.randn(images.shape, generator=generator, device=images.device)
        noise = white * _per_image(sigma)
        # lambda(sigma) of table 1: every noise level counts the same at the start.
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        error = self(images + noise, sigma, labels) - images
        return (_per_image(weight) * error.square()).mean()


def build_denoiser(network: nn.Module, recipe: Recipe) -> EdmDenoiser:
    """Wrap a network as its recipe's formulation asks."""
    if recipe.training.precision == "float32":
        # Channels last is a tenth to a third faster on a CPU in float32, and slower in bf16.
        network = network.to(memory_format=torch.channels_last)
    return EdmDenoiser(network, recipe.training)


def guide(denoiser: nn.Module, labels: Tensor, hidden_label: int, guidance: float) -> Denoise:
    """Fix labels and classifier-free guidance (Ho and Salimans 2022).

    D = D(hidden) + guidance * (D(label) - D(hidden)); both halves run as one batch. Guidance 1
    needs the labelled half alone, guidance 0 the other one.
    """
    hidden = torch.full_like(labels, hidden_label)

    def single(noisy: Tensor, sigma: float) -> Tensor:
        chosen = labels if guidance == 1 else hidden
        return denoiser(noisy, noisy.new_full((len(noisy),), sigma), chosen)

    def both(noisy: Tensor, sigma: float) -> Tensor:
        sigmas = noisy.new_full((2 * len(noisy),), sigma)
        doubled = denoiser(torch.cat([noisy, noisy]), sigmas, torch.cat([hidden, labels]))
        of_hidden, of_labels = doubled.chunk(2)
        return torch.lerp(of_hidden, of_labels, guidance)

    return single if guidance in (0, 1) else both


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]
