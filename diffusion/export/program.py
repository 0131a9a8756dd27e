"""A model's denoiser D(x, sigma, label) as a program, and how what is made of it is checked.

Inputs are those of `Denoiser.forward`: noisy images [N, C, H, W] float32, sigma [N] float32 and
labels [N] int64, of which the number of classes is the hidden one; N is any. What a recipe
computes in bf16 the program computes in float32: runtimes have no bf16 convolutions on a CPU.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion.denoiser import Denoiser, per_image
from diffusion.model import DiffusionModel
from diffusion.process import build_denoiser

INPUTS = ("noisy", "sigma", "label")
OUTPUT = "clean"
# Largest difference from the model, over 1 + sigma: what a denoiser is off by is a share of the
# noise that it removes.
TOLERANCE = 1e-4
CHECKED_BATCHES = (1, 3, 8)

Program = Callable[[Tensor, Tensor, Tensor], Tensor]
Inputs = tuple[Tensor, Tensor, Tensor]


def float32_denoiser(model: DiffusionModel) -> Denoiser:
    """Return a model's denoiser, on the CPU and in float32 throughout."""
    denoiser = build_denoiser(copy.deepcopy(model.network).cpu(), model.recipe, "float32")
    return denoiser.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def export_denoiser(denoiser: Denoiser) -> torch.export.ExportedProgram:
    """Return a denoiser as a program of torch.export whose batch may have any size."""
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in INPUTS)
    return torch.export.export(denoiser, example(denoiser, 3), dynamic_shapes=shapes)


def example(denoiser: Denoiser, count: int) -> Inputs:
    """Return so many inputs, from the least noise to the most, with hidden labels among them."""
    data, generator = denoiser.data_config, torch.Generator().manual_seed(count)
    ends = torch.tensor([denoiser.sigma_min, denoiser.sigma_max]).log()
    shares = torch.linspace(0, 1, count) if count > 1 else torch.tensor([0.5])
    sigma = (ends[0] + (ends[1] - ends[0]) * shares).exp()
    shape = (count, data.channels, data.image_size, data.image_size)
    scale = per_image((0.25 + sigma.square()).sqrt())  # as of noisy images
    noisy = torch.randn(shape, generator=generator) * scale
    labels = (torch.arange(count) + data.num_classes - count // 2) % (data.num_classes + 1)
    return noisy, sigma, labels


@torch.no_grad()
def check_program(denoiser: Denoiser, program: Program, what: str) -> None:
    """Refuse a program that is not the denoiser that it was made of, on batches of several sizes.

    Args:
        denoiser: what it is to equal.
        program: maps noisy images, noise levels and labels to clean images.
        what: it is called where it differs.

    Raises:
        ValueError: it is off by more than TOLERANCE, or no number.
    """
    for count in CHECKED_BATCHES:
        noisy, sigma, labels = example(denoiser, count)
        difference = (program(noisy, sigma, labels) - denoiser(noisy, sigma, labels)).abs()
        scaled = difference.flatten(1).amax(dim=1) / (1 + sigma)
        if not bool((scaled <= TOLERANCE).all()):
            raise ValueError(
                f"{what} is {float(scaled.max()):.1e} off its model, over 1 + sigma; allowed: "
                f"{TOLERANCE:g}; it is not kept"
            )
