"""The raw networks: noisy images, noise labels and class labels in, a prediction out."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from diffusion.networks.ddpm import DDPM
from diffusion.networks.mini_ddpm import MiniDDPM
from diffusion.networks.ncsn import NCSN
from diffusion.recipe import DataConfig, NetworkConfig

_BUILDERS: dict[str, Callable[[NetworkConfig, DataConfig], nn.Module]] = {
    "ncsn": NCSN,
    "ddpm": DDPM,
    "mini_ddpm": MiniDDPM,
}


def build_network(network: NetworkConfig, data: DataConfig, seed: int = 0) -> nn.Module:
    """Build an initialised network without touching the global random state.

    Args:
        network: the architecture and its sizes.
        data: image size, channels and classes.
        seed: draws the initial weights.

    Returns:
        A module called as `network(images, noise_labels, class_labels)`: [N, C, H, W] float,
        [N] float and [N] int64 (`num_classes` is the hidden label) to [N, C, H, W].

    Raises:
        InfeasibleRecipe: a layer cannot have these groups, or the images do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILDERS[network.architecture](network, data)


def count_macs(network: nn.Module, data: DataConfig) -> int:
    """Count multiply-accumulates of one network call on one image."""
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    # Shapes are enough: nothing is computed.
    shapes = copy.deepcopy(network).to("meta")
    image = torch.zeros(1, data.channels, data.image_size, data.image_size, device="meta")
    label = torch.zeros(1, dtype=torch.int64, device="meta")
    counter = FlopCounterMode(display=False)
    # The counter knows the plain attention kernel in every memory layout, not the fused ones.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        shapes(image, torch.zeros(1, device="meta"), label)
    return counter.get_total_flops() // 2


def count_parameters(network: nn.Module) -> tuple[int, int]:
    """Count the parameters of a network: all of them, and those not zero."""
    parameters = list(network.parameters())
    return sum(p.numel() for p in parameters), sum(int(p.count_nonzero()) for p in parameters)
