"""Draw images with a model file and score them: what a trial and a verification have in common."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from diffusion.compress.package import PACKAGE_NAME, read_package
from diffusion.errors import DataUnavailable
from diffusion.model import DiffusionModel
from diffusion.score.labels import score_labels
from diffusion.score.latency import measure_latency_ms
from diffusion.score.quality import score_images
from study.context import Context
from study.records import Scores


@dataclass(frozen=True)
class Drawing:
    """Images that a model drew, and what they score.

    Attributes:
        images: [N, C, H, W] uint8.
        labels: [N] int64, sorted, that they were asked for.
        scores: the measures with their floors and conditions.
    """

    images: Tensor
    labels: Tensor
    scores: Scores


def draw_and_score(model: DiffusionModel, context: Context) -> Drawing:
    """Draw as many images as the context asks for and score them."""
    references = context.references()
    labels = score_labels(references.dataset, context.fid_num_images)
    start = time.perf_counter()
    images = model.generate(
        labels, on_progress=lambda done: context.on_progress("generate", done / len(labels))
    )
    generate_seconds = time.perf_counter() - start
    asked = labels if model.recipe.network.conditional else None
    measures = score_images(images, asked, references)
    sampling = asdict(model.recipe.sampling)
    scores = {
        **measures,
        "latency_ms": 1000 * generate_seconds / len(labels),
        "generate_seconds": generate_seconds,
        "score_seconds": time.perf_counter() - start - generate_seconds,
        "sampling": sampling,
        "sampling_seed": sampling.pop("seed"),
    }
    return Drawing(images, labels, scores)


def rescore(trial_dir: Path, seed: int, context: Context) -> Scores:
    """Score a finished trial's model file again, with other noise.

    Args:
        trial_dir: holds the file.
        seed: of the noise that the images start from.
        context: says how many images and against what.

    Raises:
        DataUnavailable: the data is not what the model was made for.
        PackageError: the file is missing or damaged.
        MetricUndefined: the model draws images that are not finite.
    """
    torch.set_num_threads(context.threads)
    model = read_package(trial_dir / PACKAGE_NAME, context.device).with_sampling(seed=seed)
    if context.references().dataset.config() != model.recipe.data:
        raise DataUnavailable(f"dataset {context.dataset!r} differs from the one of {trial_dir}")
    scores = draw_and_score(model, replace(context, trial_dir=trial_dir)).scores
    return {**scores, **context.conditions()}


def rescore_latency(trial_dir: Path, context: Context) -> float:
    """Return the milliseconds an image that a trial's file takes; nothing else may run."""
    torch.set_num_threads(context.threads)
    model = read_package(trial_dir / PACKAGE_NAME, context.device)
    num_classes = model.recipe.data.num_classes

    def generate(num_images: int) -> Tensor:
        return model.generate(torch.arange(num_images) % num_classes)

    return measure_latency_ms(generate)
