"""The kinds of quantized layers that tests go through, and what is given to them and compared."""

import pytest
import torch
from small_networks import SMALL_WIDTHS

from diffusion.config import choices
from diffusion.recipe import TrainingQuantization

QUANTIZATIONS = [name for name in choices(TrainingQuantization) if name != "none"]
QUANTIZED = pytest.mark.parametrize("quantization", QUANTIZATIONS)
EACH = pytest.mark.parametrize("architecture", SMALL_WIDTHS)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(first, second):
    return ((first - second).norm() / second.norm()).item()
