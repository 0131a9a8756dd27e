"""A plain eager PyTorch loop of our networks, as a tutorial writes it: what we are compared with.

The networks have our weights by name, but call torch's own norms, attention and convolutions;
memory is in torch's usual order, and each step converts its images, draws its noise and reads its
loss.
"""

import copy
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.denoiser import per_image
from diffusion.networks import build_network, mini_ddpm, ncsn
from diffusion.networks.few_pixels import FewPixelsConv2d, FewPixelsConvTranspose2d
from diffusion.networks.thin_convolution import ThinConvTranspose2d
from diffusion.recipe import Recipe

SIGMA_DATA = 0.5


class _PlainBlock(ncsn.Block):
    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv(images) + self.dense(embedding)[:, :, None, None]
        return F.silu(self.norm(hidden))


class _PlainResidualBlock(mini_ddpm.ResidualBlock):
    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(images)))
        scale, shift = self.dense(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.conv2(F.silu(self.norm2(hidden) * (1 + scale) + shift))
        return self.shortcut(images) + hidden


class _PlainAttention(mini_ddpm.Attention):
    def forward(self, images: Tensor) -> Tensor:
        tokens = self.qkv(self.norm(images)).flatten(2).transpose(1, 2)[:, None]
        mixed = F.scaled_dot_product_attention(*tokens.chunk(3, dim=3))
        return images + self.out(mixed[:, 0].transpose(1, 2).reshape(images.shape))


class _PlainMiniDDPM(mini_ddpm.MiniDDPM):
    def to_images(self, hidden: Tensor) -> Tensor:
        return F.pixel_shuffle(self.out(F.silu(self.norm(hidden))), self.patch_size)


PLAIN = {
    FewPixelsConv2d: nn.Conv2d,
    FewPixelsConvTranspose2d: nn.ConvTranspose2d,
    ThinConvTranspose2d: nn.ConvTranspose2d,
    ncsn.Block: _PlainBlock,
    mini_ddpm.ResidualBlock: _PlainResidualBlock,
    mini_ddpm.Attention: _PlainAttention,
    mini_ddpm.MiniDDPM: _PlainMiniDDPM,
}


def plain_network(network: nn.Module) -> nn.Module:
    """Return a copy of one of our networks that computes the same, step by step."""
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for module in plain.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]
    return plain


def denoise(
    network: nn.Module, noisy: Tensor, sigma: Tensor, labels: Tensor, bf16: bool
) -> Tensor:
    """Return what a network makes of noisy images (Karras et al. 2022, equation 7)."""
    variance = sigma**2 + SIGMA_DATA**2
    scaled = noisy / per_image(variance.sqrt())
    with torch.autocast(noisy.device.type, torch.bfloat16, enabled=bf16):
        raw = network(scaled, sigma.log() / 4, labels)
    kept = per_image(SIGMA_DATA**2 / variance) * noisy
    return kept + per_image(sigma * SIGMA_DATA / variance.sqrt()) * raw.float()


class PlainTraining:
    """The training of a recipe's network, without averages."""

    def __init__(self, recipe: Recipe, images: Tensor, labels: Tensor) -> None:
        self._network = plain_network(build_network(recipe.network, recipe.data)).train()
        rate = recipe.training.learning_rate
        self._optimizer = torch.optim.Adam(self._network.parameters(), rate)
        self._images, self._labels, self._recipe = images, labels, recipe

    def step(self) -> float:
        """Take a step and return its loss."""
        training = self._recipe.training
        chosen = torch.randint(len(self._images), (training.batch_size,))
        images = self._images[chosen].float() / 127.5 - 1
        sigma = (training.log_sigma_std * torch.randn(len(images))).exp()
        noisy = images + torch.randn_like(images) * per_image(sigma)
        bf16 = training.precision == "bf16"
        clean = denoise(self._network, noisy, sigma, self._labels[chosen], bf16)
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        loss = (per_image(weight) * (clean - images) ** 2).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()


@torch.no_grad()
def draw(network: nn.Module, labels: Tensor, sigmas: list[float], recipe: Recipe) -> Tensor:
    """Draw images by DPM-Solver++(2M) (Lu et al. 2022, algorithm 2)."""
    data, bf16 = recipe.data, recipe.training.precision == "bf16"
    shape = (len(labels), data.channels, data.image_size, data.image_size)
    images, last, last_step = torch.randn(shape) * sigmas[0], None, 1.0
    for sigma, following in pairwise(sigmas):
        clean = denoise(network, images, torch.full((len(labels),), sigma), labels, bf16)
        if following == 0:
            break
        step, target = math.log(sigma / following), clean
        if last is not None:
            target = clean + (clean - last) * step / (2 * last_step)
        images = target + (images - target) * following / sigma
        last, last_step = clean, step
    return ((clean + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
