"""One trial: from a recipe to the scores of the very file that ships. Runs without Ray.

backbone -> EMA track -> prune -> cool-down or rounding -> package -> reload -> generate -> score
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from diffusion.compress.allotment import allot_steps
from diffusion.compress.package import (
    PACKAGE_NAME,
    gzip_state_dict_bytes,
    read_package,
    write_package,
)
from diffusion.compress.prune import prune
from diffusion.compress.rounding import round_with_errors
from diffusion.compress.uniform import Steps
from diffusion.config import checked
from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.recipe import Recipe
from study.evaluation.context import TrialContext
from study.evaluation.cost import network_counts
from study.evaluation.pictures import save_grid
from study.evaluation.scoring import draw_and_score, latest_rung, score_rung
from study.results.objectives import Scores
from study.run.backbones import Backbone, BackboneStore
from study.run.cool_downs import CoolDownStore
from study.run.files import make_own, read_json, write_json
from study.run.packages import HASH

SAMPLE_ROWS, SAMPLE_COLUMNS = 8, 10
TRAINING = "training.json"  # after how many images a trial's first attempt began to train
COOL_DOWN = "cool_down.json"  # the same of its cool-down


@dataclass(frozen=True)
class Compressed:
    """A compressed network, on the CPU, and what that cost.

    Attributes:
        steps: of quantization `uniform`.
        trained_images: in the cool-down, by this trial.
        scores: of the cool-down.
    """

    network: nn.Module
    steps: Steps | None = None
    trained_images: int = 0
    scores: Scores = field(default_factory=dict)


def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
    """Train or reuse, compress, package, reload, generate and score one recipe.

    Raises:
        TrainingDiverged: the training did not converge.
        DataUnavailable: the data is not what the recipe was made for.
    """
    run = context.run
    torch.set_num_threads(run.threads)
    device = torch.device(run.device)
    dataset = run.references().dataset
    if dataset.config() != recipe.data:
        raise DataUnavailable(f"dataset {run.dataset!r} differs from the one of the recipe")
    make_own(context.trial_dir)
    write_json(context.trial_dir / "recipe.json", recipe.to_dict())

    backbone, trained_images = _obtain_backbone(recipe, context, dataset, device)
    compressed = _compress(recipe, backbone, context, dataset, trained_images)
    package_path = context.trial_dir / PACKAGE_NAME
    size_bytes = write_package(package_path, recipe, compressed.network, compressed.steps)

    model = read_package(package_path, device)
    drawing = draw_and_score(model, run, context.on_progress)
    epochs = recipe.training.train_images / len(dataset.train_images)
    scores: Scores = {
        "size_bytes": size_bytes,
        HASH: hashlib.sha256(package_path.read_bytes()).hexdigest(),
        "gzip_state_dict_bytes": gzip_state_dict_bytes(
            recipe, compressed.network, compressed.steps
        ),
        **network_counts(model.network, recipe.data),
        **drawing.scores,
        "train_images": recipe.training.train_images,
        "trained_images": trained_images + compressed.trained_images,
        "train_seconds": backbone.train_seconds,
        **compressed.scores,
        "train_ms_per_epoch": 1000 * backbone.train_seconds / epochs,
        **run.conditions(),
    }
    write_json(context.trial_dir / "scores.json", scores)
    samples = _pick_samples(drawing.images, drawing.labels)
    save_grid(samples, SAMPLE_COLUMNS, context.trial_dir / "samples.png")
    return scores


def _obtain_backbone(
    recipe: Recipe, context: TrialContext, dataset: ImageDataset, device: torch.device
) -> tuple[Backbone, int]:
    """Train on or reuse; a training is scored at each rung, which may be where it ends.

    Returns:
        The backbone, and how many images it was trained on by this trial, over all its attempts.
    """
    store, train_images = BackboneStore(context.store_dir), recipe.training.train_images
    begin, judged = _read_begin(context.trial_dir / TRAINING), 0

    def on_progress(images_seen: int) -> None:
        nonlocal begin, judged
        if begin is None:
            begin = images_seen
            write_json(context.trial_dir / TRAINING, {"begin_images": begin})
        context.on_trained(max(images_seen - begin, 0))
        context.on_progress("train", images_seen / train_images)
        rung = latest_rung(recipe, images_seen)
        if context.on_rung is None or rung <= judged:
            return
        judged = rung
        if scores := score_rung(recipe, rung, store, context.run):
            context.on_rung(rung, {**scores, "trained_images": max(rung - begin, 0)})

    backbone = store.obtain(recipe, dataset, device, on_progress)
    trained_images = 0 if begin is None else train_images - begin
    context.on_trained(trained_images)
    return backbone, trained_images


def _read_begin(path: Path) -> int | None:
    try:
        begin = checked("begin_images", read_json(path)["begin_images"], int)
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # a crash may have torn it
        return None
    return max(int(begin), 0)


def _compress(
    recipe: Recipe,
    backbone: Backbone,
    context: TrialContext,
    dataset: ImageDataset,
    trained_images: int,
) -> Compressed:
    """Prune a backbone that was trained on so many images, and cool it down or round it."""
    compression = recipe.compression
    data = dataset.train_images, dataset.train_labels
    network = backbone.network()
    prune(network, compression)
    network.to(context.run.device)
    if compression.finetune_images:
        compressed = _cool_down(recipe, backbone, network, context, dataset, trained_images)
    elif compression.quantization == "uniform":
        steps = allot_steps(network, recipe, *data)
        round_with_errors(network, recipe, steps, *data)
        compressed = Compressed(network, steps)
    else:
        compressed = Compressed(network)
    network.cpu()
    return compressed


def _cool_down(
    recipe: Recipe,
    backbone: Backbone,
    network: nn.Module,
    context: TrialContext,
    dataset: ImageDataset,
    trained_images: int,
) -> Compressed:
    """Train on or reuse; what this trial trained counts from where its first attempt began."""
    images, path = recipe.compression.finetune_images, context.trial_dir / COOL_DOWN
    begin = _read_begin(path)

    def on_progress(images_seen: int) -> None:
        nonlocal begin
        if begin is None:
            begin = images_seen
            write_json(path, {"begin_images": begin})
        done = min(images_seen, images)
        context.on_trained(trained_images + max(done - begin, 0))
        context.on_progress("cool-down", done / images)

    def allot() -> Steps:
        return allot_steps(network, recipe, dataset.train_images, dataset.train_labels)

    found = CoolDownStore(context.store_dir).obtain(
        recipe, network, backbone.network, allot, dataset, on_progress
    )
    found.load_into(network)
    count = 0 if begin is None else max(images - begin, 0)
    context.on_trained(trained_images + count)
    return Compressed(network, found.steps, count, {"finetune_seconds": found.train_seconds})


def _pick_samples(images: Tensor, labels: Tensor) -> Tensor:
    """Return images evenly over the sorted labels, a column for each tenth of them."""
    count = min(SAMPLE_ROWS * SAMPLE_COLUMNS, len(labels))
    picks = torch.linspace(0, len(labels) - 1, count).round().long()
    if count < SAMPLE_ROWS * SAMPLE_COLUMNS:
        return images[picks]
    return images[picks.reshape(SAMPLE_COLUMNS, SAMPLE_ROWS).T.flatten()]
