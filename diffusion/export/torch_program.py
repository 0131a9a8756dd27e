"""A denoiser as a file of torch.export (.pt2), which torch runs without this project."""

import io

import torch

from diffusion.export.program import check_program, export_denoiser, float32_denoiser
from diffusion.model import DiffusionModel


def torch_program(model: DiffusionModel) -> bytes:
    """Return the content of a .pt2 file, checked against the model after it was read back.

    `torch.export.load(path).module()` is called as `diffusion.export.program` says.

    Raises:
        ValueError: it differs from the model.
    """
    denoiser, content = float32_denoiser(model), io.BytesIO()
    torch.export.save(export_denoiser(denoiser), content)
    content.seek(0)
    check_program(denoiser, torch.export.load(content).module(), "the torch.export program")
    return content.getvalue()
