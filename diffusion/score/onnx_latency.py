"""Time to generate an image in onnxruntime: what `onnx_latency_ms` is.

Measured as `latency_ms` is and by the recipe's own sampler, but the denoiser is the ONNX program
that an export leaves, its weights as many bits as the package's. It runs on the CPU.
"""

from pathlib import Path

import torch

from diffusion.compress.package import read_package, read_stored
from diffusion.errors import MetricUndefined
from diffusion.export.onnx import in_onnxruntime, onnx_program
from diffusion.export.program import Program, float32_denoiser
from diffusion.guidance import guide
from diffusion.model import GENERATE_BATCH_SIZE, DiffusionModel, Progress
from diffusion.samplers import build_sampler
from diffusion.schedules import noise_levels
from diffusion.score.latency import ONNX_LATENCY, Generate, measure_latency_ms


def measure_onnx_latency_ms(package: Path, threads: int) -> float:
    """Export a model and return the milliseconds an image takes in onnxruntime.

    Args:
        package: the model's file.
        threads: that onnxruntime computes with.

    Raises:
        PackageError: the file is missing or damaged.
        MetricUndefined: the model cannot be exported.
    """
    model = read_package(package)
    try:
        content = onnx_program(model, read_stored(package))
    except ValueError as error:
        raise MetricUndefined(f"{ONNX_LATENCY} has no value: {error}") from error
    return measure_latency_ms(_generate(model, in_onnxruntime(content, threads)))


def _generate(model: DiffusionModel, program: Program) -> Generate:
    """Return what draws whole batches with a program in place of a model's own denoiser."""
    data, sampling = model.recipe.data, model.recipe.sampling
    sigmas = noise_levels(sampling, float32_denoiser(model))
    bounds = sampling.guidance_sigma_min, sampling.guidance_sigma_max
    labels = torch.arange(GENERATE_BATCH_SIZE) % data.num_classes
    denoise = guide(program, labels, data.num_classes, sampling.guidance, *bounds)
    generator = torch.Generator().manual_seed(sampling.seed)
    shape = (GENERATE_BATCH_SIZE, data.channels, data.image_size, data.image_size)
    sampler, noise = build_sampler(sampling), torch.randn(shape, generator=generator)

    @torch.inference_mode()
    def generate(num_images: int, on_progress: Progress) -> None:
        for done in range(GENERATE_BATCH_SIZE, num_images + 1, GENERATE_BATCH_SIZE):
            sampler(denoise, noise, sigmas, generator)
            on_progress(done)

    return generate
