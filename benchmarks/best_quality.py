"""The best quality that a fixed time of training on all of MNIST reaches, as a curve.

    python -m benchmarks.best_quality --data-dir DIR --store runs/best

One mini DDPM is trained with all threads. Each of its snapshots, at doubling lengths, is scored
with 10,000 images against the held-out digits, and stands beside the minutes that it took and
the share of the distance of uniform noise. Real training digits, as many, are the floor.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.data import load_dataset
from diffusion.recipe import (
    CompressionConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.labels import score_labels
from diffusion.score.quality import score_images
from diffusion.score.references import References
from diffusion.train import snapshot_points
from study.run.backbones import BackboneStore

FEWEST_IMAGES_WORTH_SCORING = 64_000


def recipe_of(given: argparse.Namespace, references: References) -> Recipe:
    """Return the recipe whose training is measured."""
    return Recipe(
        data=references.dataset.config(),
        network=NetworkConfig("mini_ddpm", tuple(given.widths), patch_size=2, embedding_scale=1.0),
        training=TrainingConfig(
            train_images=given.train_images,
            batch_size=given.batch_size,
            learning_rate=given.learning_rate,
        ),
        ema=EmaConfig(given.track),
        compression=CompressionConfig(),
        sampling=SamplingConfig(sampler=given.sampler, steps=given.steps, guidance=given.guidance),
    )


def main() -> None:
    """Train, then print a line for each snapshot."""
    given = build_parser().parse_args()
    torch.set_num_threads(given.threads)
    dataset = load_dataset("mnist", given.data_dir)
    references = References.of(dataset, build_extractor(dataset.config()))
    recipe, store = recipe_of(given, references), BackboneStore(given.store)
    device = torch.device("cpu")
    with Progress() as progress:
        task = progress.add_task("training", total=given.train_images)
        store.obtain(recipe, dataset, device, lambda n: progress.update(task, completed=n))
    console = Console(width=120)
    for train_images in snapshot_points(given.train_images):
        if train_images >= FEWEST_IMAGES_WORTH_SCORING:
            console.print(_score(recipe, train_images, store, references, given), highlight=False)


def _score(
    recipe: Recipe,
    train_images: int,
    store: BackboneStore,
    references: References,
    given: argparse.Namespace,
) -> str:
    """Package a snapshot, draw with the file and say what it scores."""
    training = dataclasses.replace(recipe.training, train_images=train_images)
    recipe = dataclasses.replace(recipe, training=training)
    backbone = store.find(recipe)
    assert backbone is not None
    path = given.store / PACKAGE_NAME
    size_bytes = write_package(path, recipe, backbone.network())
    labels = score_labels(references.dataset, given.images)
    start = time.perf_counter()
    scores = score_images(read_package(path).generate(labels), labels, references)
    share = 100 / scores["fid_noise"]
    return (
        f"{train_images:9,} images {backbone.train_seconds / 60:5.1f} min  "
        f"FID held out {scores['fid_held_out']:.3f} = {share * scores['fid_held_out']:.3f} % of "
        f"noise, train {scores['fid']:.3f}; real digits {scores['fid_held_out_floor']:.3f}; "
        f"labels {scores['label_agreement']:.2%}; {size_bytes:,} bytes; "
        f"{time.perf_counter() - start:.0f} s to draw and score"
    )


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="torchvision's MNIST")
    add("--store", type=Path, required=True, help="folder of the training's snapshots")
    add("--train-images", type=int, default=512_000)
    add("--widths", type=int, nargs="+", default=[48, 96])
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=2e-3)
    add("--track", default="mid")
    add("--sampler", default="dpm_solver_pp_2m")
    add("--steps", type=int, default=18)
    add("--guidance", type=float, default=1.25)
    add("--images", type=int, default=10_000)
    add("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
