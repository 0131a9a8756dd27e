"""One trial: from a recipe to the scores of the very file that ships. Runs without Ray.

backbone -> EMA track -> prune -> fine-tune -> quantize and package -> reload -> generate -> score
"""

import functools
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from diffusion.compress.package import (
    PACKAGE_NAME,
    gzip_state_dict_bytes,
    read_package,
    write_package,
)
from diffusion.compress.prune import prune
from diffusion.data import ImageDataset, load_dataset
from diffusion.errors import DataUnavailable
from diffusion.networks import count_macs, count_parameters
from diffusion.recipe import Recipe
from diffusion.score.extractor import build_extractor
from diffusion.score.quality import References, score_images, score_labels
from diffusion.train import fine_tune
from study.backbones import Backbone, BackboneStore, write_json
from study.pictures import save_grid
from study.records import Scores

SAMPLE_ROWS, SAMPLE_COLUMNS = 8, 10

# on_progress(stage, share): how far the trial is in a stage, from 0 to 1.
StageProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class Context:
    """Where and how a trial runs; what defines its model is in the recipe.

    Attributes:
        trial_dir: gets recipe.json, model.pdm, samples.png and scores.json.
        store_dir: of the backbones, shared by all trials.
        extractor: file of the features that score; None for the built-in ones.
        threads: torch's threads; recorded, since they may change the last digits.
    """

    dataset: str
    data_dir: Path | None
    trial_dir: Path
    store_dir: Path
    fid_num_images: int
    extractor: Path | None = None
    device: str = "cpu"
    threads: int = 1
    on_progress: StageProgress = lambda stage, share: None


def evaluate(recipe: Recipe, context: Context) -> Scores:
    """Train or reuse, compress, package, reload, generate and score one recipe.

    Raises:
        TrainingDiverged: the training did not converge.
        DataUnavailable: the data is not what the recipe was made for.
    """
    torch.set_num_threads(context.threads)
    device = torch.device(context.device)
    dataset, references = _load_references(context.dataset, context.data_dir, context.extractor)
    if dataset.config() != recipe.data:
        raise DataUnavailable(f"dataset {context.dataset!r} differs from the one of the recipe")
    context.trial_dir.mkdir(parents=True, exist_ok=True)
    write_json(context.trial_dir / "recipe.json", recipe.to_dict())

    backbone = _obtain_backbone(recipe, context, dataset, device)
    network = backbone.network()
    prune(network, recipe.compression)
    if recipe.compression.finetune_images:
        _fine_tune(network, recipe, context, dataset, device)
    package_path = context.trial_dir / PACKAGE_NAME
    size_bytes = write_package(package_path, recipe, network)

    model = read_package(package_path, device)
    labels = score_labels(dataset, context.fid_num_images)
    start = time.perf_counter()
    images = model.generate(
        labels, on_progress=lambda done: context.on_progress("generate", done / len(labels))
    )
    generate_seconds = time.perf_counter() - start
    parameters, nonzero_parameters = count_parameters(model.network)
    epochs = recipe.training.train_images / len(dataset.train_images)
    scores: Scores = {
        "size_bytes": size_bytes,
        "gzip_state_dict_bytes": gzip_state_dict_bytes(recipe, network),
        "parameters": parameters,
        "nonzero_parameters": nonzero_parameters,
        "macs": count_macs(model.network, recipe.data),
        **score_images(images, labels if recipe.network.conditional else None, references),
        "latency_ms": 1000 * generate_seconds / len(labels),
        "train_images": recipe.training.train_images,
        "train_seconds": backbone.train_seconds,
        "train_ms_per_epoch": 1000 * backbone.train_seconds / epochs,
        "generate_seconds": generate_seconds,
        **_conditions(context),
    }
    write_json(context.trial_dir / "scores.json", scores)
    save_grid(_pick_samples(images, labels), SAMPLE_COLUMNS, context.trial_dir / "samples.png")
    if device.type == "cuda":
        torch.cuda.empty_cache()  # the worker waits for its next trial; others need the memory
    return scores


def _obtain_backbone(
    recipe: Recipe, context: Context, dataset: ImageDataset, device: torch.device
) -> Backbone:
    def on_progress(images: int) -> None:
        context.on_progress("train", images / recipe.training.train_images)

    return BackboneStore(context.store_dir).obtain(recipe, dataset, device, on_progress)


def _fine_tune(
    network: nn.Module,
    recipe: Recipe,
    context: Context,
    dataset: ImageDataset,
    device: torch.device,
) -> None:
    def on_progress(images: int) -> None:
        context.on_progress("fine-tune", images / recipe.compression.finetune_images)

    network.to(device)
    fine_tune(network, recipe, dataset.train_images, dataset.train_labels, on_progress)
    network.cpu()


@functools.lru_cache(maxsize=1)
def _load_references(
    name: str, data_dir: Path | None, extractor: Path | None
) -> tuple[ImageDataset, References]:
    dataset = load_dataset(name, data_dir)
    features = build_extractor(dataset.config(), extractor, dataset.class_names)
    return dataset, References.of(dataset, features)


def _pick_samples(images: Tensor, labels: Tensor) -> Tensor:
    """Return images evenly over the sorted labels, a column for each tenth of them."""
    count = min(SAMPLE_ROWS * SAMPLE_COLUMNS, len(labels))
    picks = torch.linspace(0, len(labels) - 1, count).round().long()
    if count < SAMPLE_ROWS * SAMPLE_COLUMNS:
        return images[picks]
    return images[picks.reshape(SAMPLE_COLUMNS, SAMPLE_ROWS).T.flatten()]


def _conditions(context: Context) -> Scores:
    return {
        "device": context.device,
        "threads": context.threads,
        # Of the worker so far; a reused one keeps the peak of its earlier trials.
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "python": platform.python_version(),
        "torch": version("torch"),
        "paretodiff": version("paretodiff"),
    }
