"""One trial: from a recipe to the scores of the very file that ships. Runs without Ray.

backbone -> EMA track -> prune -> cool-down or rounding -> package -> reload -> generate -> score

Beside it other compressions of the backbone are screened, of which nothing is kept but figures.
"""

import hashlib
import os
import platform

import torch

from diffusion.class_names import CLASSES_NAME
from diffusion.compress.package import (
    PACKAGE_NAME,
    gzip_state_dict_bytes,
    read_package,
    write_package,
)
from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.recipe import Recipe
from study.evaluation.begin import TRAINING, Begin
from study.evaluation.beside import screen_beside
from study.evaluation.compressing import compress
from study.evaluation.context import TRAIN, TrialContext
from study.evaluation.cost import network_counts
from study.evaluation.samples import SAMPLES_NAME, save_samples
from study.evaluation.scoring import draw_and_score, latest_rung, score_rung, time_onnx
from study.results.objectives import Scores
from study.run.backbones import Backbone, BackboneStore
from study.run.files import make_own, write_json
from study.run.packages import HASH


def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
    """Train or reuse, compress, package, reload, generate and score one recipe.

    Raises:
        TrainingDiverged: the training did not converge.
        DataUnavailable: the data is not what the recipe was made for, or a stored backbone is
            missing in a run that trains none.
    """
    run = context.run
    run.take_share()
    device = torch.device(run.device)
    dataset = run.references().dataset
    if dataset.config() != recipe.data:
        raise DataUnavailable(f"dataset {run.dataset!r} differs from the one of the recipe")
    make_own(context.trial_dir)
    write_json(context.trial_dir / "recipe.json", recipe.to_dict())
    write_json(context.trial_dir / CLASSES_NAME, dataset.class_names)

    backbone, trained_images = _obtain_backbone(recipe, context, dataset, device)
    compressed = compress(recipe, backbone, context, dataset, trained_images)
    run.check_driver()
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
        **time_onnx(package_path, run),
        "train_images": recipe.training.train_images,
        "trained_images": trained_images + compressed.trained_images,
        "train_seconds": backbone.train_seconds,
        **compressed.scores,
        "train_ms_per_epoch": 1000 * backbone.train_seconds / epochs,
        **run.conditions(),
        # Where its log lies: the names of Ray's logs on that machine hold the process.
        "machine": platform.node(),
        "process": os.getpid(),
    }
    run.check_driver()
    write_json(context.trial_dir / "scores.json", scores)
    if context.to_screen:
        context.on_screened(screen_beside(recipe, context, dataset, device))
    names = dataset.class_names if recipe.network.conditional else None
    save_samples(drawing.images, drawing.labels, names, context.trial_dir / SAMPLES_NAME)
    return scores


def _obtain_backbone(
    recipe: Recipe, context: TrialContext, dataset: ImageDataset, device: torch.device
) -> tuple[Backbone, int]:
    """Train on or reuse; a training is scored at each rung, which may be where it ends.

    Returns:
        The backbone, and how many images it was trained on by this trial, over all its attempts.
    """
    store, train_images = BackboneStore(context.store_dir), recipe.training.train_images
    if not context.run.trains:
        return store.require(recipe), 0
    begin, judged = Begin(context.trial_dir / TRAINING), 0

    def on_progress(images_seen: int) -> None:
        nonlocal judged
        context.on_trained(begin.count(images_seen))
        context.on_progress(TRAIN, images_seen / train_images)
        rung = latest_rung(recipe, images_seen)
        if context.on_rung is None or rung <= judged:
            return
        judged = rung
        if scores := score_rung(recipe, rung, store, context.run):
            context.on_rung(rung, {**scores, "trained_images": begin.count(rung)})

    compiles = context.run.compiles
    backbone = store.obtain(recipe, dataset, device, on_progress, compiles=compiles)
    trained_images = begin.count_at_end(train_images)
    context.on_trained(trained_images)
    return backbone, trained_images
