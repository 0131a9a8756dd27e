"""A network compiled by torch for its training, where that is repaid within it."""

import logging
import os
import shutil
import sys
from importlib.util import find_spec

import torch
from torch import nn

from diffusion.recipe import Recipe

# On a CPU a compile takes 40 s, after which steps of mini_ddpm are 1.05 times as fast in float32
# and 1.18 times in bf16 (24-64, avx512); ncsn and ddpm gain nothing there (docs/speed.md). On a
# GPU, where small networks wait for launches, none was ever measured.
GAINING_ON_CPU = ("mini_ddpm",)
REPAID_IMAGES = 500_000
# What torch and triton compile with, where no variable says otherwise.
COMPILERS = {
    "cpu": ("CXX", ("clang++" if sys.platform == "darwin" else "g++",)),
    "cuda": ("CC", ("gcc", "clang")),
}
logger = logging.getLogger(__name__)


def is_repaid(recipe: Recipe, device: torch.device) -> bool:
    """Whether a recipe's training gains more by compiled steps than the compile takes."""
    gains = device.type == "cuda" or recipe.network.architecture in GAINING_ON_CPU
    training = recipe.training
    return gains and training.quantization == "none" and training.train_images >= REPAID_IMAGES


def compile_in_place(network: nn.Module, device: torch.device) -> bool:
    """Have a network compiled at its first call; its weights and their names stay as they are.

    torch keeps what it compiled on disk (TORCHINDUCTOR_CACHE_DIR), for later trainings too.

    Returns:
        Whether this machine can; what it lacks is said.
    """
    if lacking := _lacking(device):
        logger.warning("networks are not compiled, which takes %s", lacking)
        return False
    # Slow to import. By default it starts a process for every core, whose share is not ours.
    from torch._inductor import config

    config.compile_threads = 1
    network.compile(dynamic=False)
    return True


def _lacking(device: torch.device) -> str | None:
    """Say what it would take to compile for a device, and is not there."""
    variable, names = COMPILERS[device.type]
    asked = os.environ.get(variable)
    if not any(shutil.which(name) for name in ((asked,) if asked else names)):
        return f"a compiler: {' or '.join(names)}, or what ${variable} names"
    if device.type == "cuda" and find_spec("triton") is None:
        return "triton"
    return None
