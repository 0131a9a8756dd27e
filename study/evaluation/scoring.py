"""Draw images with a model file and score them: what a trial and a verification have in common."""

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.errors import DataUnavailable, MetricUndefined
from diffusion.model import DiffusionModel, Progress
from diffusion.recipe import CompressionConfig, EmaConfig, Recipe, Track
from diffusion.score.labels import score_labels
from diffusion.score.latency import ONNX_LATENCY, BatchClock, Generate, measure_latency_ms
from diffusion.score.quality import score_images
from diffusion.train import snapshot_points
from study.evaluation.context import RunContext, StageProgress
from study.evaluation.cost import network_counts
from study.results.objectives import Scores
from study.run.backbones import BackboneStore

RUNG_NUM_IMAGES = 200
# The best of the averages while a training is short; all trainings are judged by the same.
RUNG_TRACK: Track = "short"


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


def draw_and_score(
    model: DiffusionModel, context: RunContext, on_progress: StageProgress = lambda *_: None
) -> Drawing:
    """Draw as many images as the context asks for and score them."""
    references = context.references()
    labels = score_labels(references.dataset, context.fid_num_images)
    clock = BatchClock(lambda done: on_progress("generate", done / len(labels)))
    start = time.perf_counter()
    images = model.generate(labels, on_progress=clock)
    generate_seconds = time.perf_counter() - start
    latency_ms = clock.latency_ms(_generate(model))
    start = time.perf_counter()
    asked = labels if model.recipe.network.conditional else None
    measures = score_images(images, asked, references)
    sampling = asdict(model.recipe.sampling)
    scores = {
        **measures,
        "latency_ms": latency_ms,
        "generate_seconds": generate_seconds,
        "score_seconds": time.perf_counter() - start,
        "sampling": sampling,
        "sampling_seed": sampling.pop("seed"),
    }
    return Drawing(images, labels, scores)


def time_onnx(package: Path, context: RunContext) -> Scores:
    """Return a model's latency in onnxruntime, where the study asks for it; else nothing.

    Raises:
        MetricUndefined: the model cannot be exported.
    """
    if not context.times_onnx:
        return {}
    # What exports is slow to import: only where it is used.
    from diffusion.score.onnx_latency import measure_onnx_latency_ms

    return {ONNX_LATENCY: measure_onnx_latency_ms(package, context.threads)}


def rescore(trial_dir: Path, seed: int, context: RunContext) -> Scores:
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
    context.take_share()
    model = read_package(trial_dir / PACKAGE_NAME, context.device).with_sampling(seed=seed)
    if context.references().dataset.config() != model.recipe.data:
        raise DataUnavailable(f"dataset {context.dataset!r} differs from the one of {trial_dir}")
    return {**draw_and_score(model, context).scores, **context.conditions()}


def rescore_latency(trial_dir: Path, context: RunContext) -> float:
    """Return the milliseconds an image that a trial's file takes; nothing else may run."""
    context.take_share()
    return measure_latency_ms(_generate(read_package(trial_dir / PACKAGE_NAME, context.device)))


def _generate(model: DiffusionModel) -> Generate:
    """Return what draws so many images with a model, of all labels in turn."""

    def generate(num_images: int, on_progress: Progress) -> Tensor:
        labels = torch.arange(num_images) % model.recipe.data.num_classes
        return model.generate(labels, on_progress=on_progress)

    return generate


def score_rung(
    recipe: Recipe, train_images: int, store: BackboneStore, context: RunContext
) -> Scores | None:
    """Score a snapshot of a recipe's training as the file it would be without compression.

    Args:
        recipe: of the trial that trains.
        train_images: a length at which its training is kept.
        store: holds the snapshot.
        context: says against what to score; a fixed small number of images is drawn.

    Returns:
        The scores, or None where the snapshot is not there any more.
    """
    plain = plain_recipe(recipe, train_images)
    backbone = store.find(plain)
    if backbone is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PACKAGE_NAME
        size_bytes = write_package(path, plain, backbone.network())
        model = read_package(path, context.device)
    quick = replace(context, fid_num_images=RUNG_NUM_IMAGES)
    try:
        drawn = draw_and_score(model, quick).scores
    except MetricUndefined:  # it draws what is not finite yet: it is placed last
        drawn = {}
    return {
        "size_bytes": size_bytes,
        **network_counts(model.network, recipe.data),
        **drawn,
        "train_seconds": backbone.train_seconds,
    }


def plain_recipe(recipe: Recipe, train_images: int) -> Recipe:
    """Return the uncompressed recipe of a snapshot, by which its training is judged."""
    training = replace(recipe.training, train_images=train_images)
    return replace(
        recipe, training=training, ema=EmaConfig(RUNG_TRACK), compression=CompressionConfig()
    )


def latest_rung(recipe: Recipe, images_seen: int) -> int:
    """Return the last length, short of the whole, at which a training was judged; 0 for none."""
    *rungs, _ = snapshot_points(recipe.training.train_images)
    return max((rung for rung in rungs if rung <= images_seen), default=0)
