"""Compare the published samplers with ours on the same trained networks.

    python -m benchmarks.published_samplers [--train-images 40000] [--images 100]

Trains a small DDPM by noise prediction and the NCSN by score matching on the embedded digits,
then draws the same number of images from each: with 999 guided ancestral steps against
DPM-Solver++(2M) in 20 calls, and with 500 steps of Euler-Maruyama against the same. Prints the
milliseconds of CPU time an image, on one thread, their ratio (ours is timed before and after
theirs, the mean counts) and the FIDs, which hold for this number of images and compare with each
other alone.
"""

import argparse
import time
from dataclasses import replace

import torch
from rich.progress import Progress

from benchmarks.in_turns import add_json, keep
from diffusion.data import ImageDataset, load_dataset
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import NetworkConfig, Recipe, SamplingConfig, TrainingConfig
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.labels import score_labels
from diffusion.score.quality import score_images
from diffusion.score.references import References
from diffusion.train import train

TRACK = "mid"
OURS = {"sampler": "dpm_solver_pp_2m", "steps": 20, "schedule": "karras"}


def recipes(dataset: ImageDataset, train_images: int) -> dict[str, Recipe]:
    """Return the two recipes, with the published samplers."""
    data = dataset.config()
    training = TrainingConfig(train_images=train_images, learning_rate=1e-3)
    ncsn = NetworkConfig("ncsn", (32, 64, 128, 256), embedding_scale=1.0)
    return {
        "ddpm, width 8, guidance 3": Recipe(
            data=data,
            network=NetworkConfig("ddpm", (8,)),
            training=replace(training, formulation="noise_prediction"),
            sampling=SamplingConfig("ancestral", 999, "uniform", guidance=3.0),
        ),
        "ncsn": Recipe(
            data=data,
            network=ncsn,
            training=replace(training, formulation="score_matching"),
            sampling=SamplingConfig("euler_maruyama", 500, "uniform", guidance=1.0),
        ),
    }


def trained(name: str, recipe: Recipe, dataset: ImageDataset) -> DiffusionModel:
    """Train a recipe and return its model."""
    with Progress(transient=True) as progress:
        task = progress.add_task(f"training {name}", total=recipe.training.train_images)
        *_, snapshot = train(
            recipe,
            dataset.train_images,
            dataset.train_labels,
            torch.device("cpu"),
            lambda images: progress.update(task, completed=images),
        )
    network = build_network(recipe.network, recipe.data)
    network.load_state_dict(snapshot.tracks[TRACK])
    print(f"{name}: trained on {snapshot.train_images:,} images in {snapshot.train_seconds:.0f} s")
    return DiffusionModel(recipe, network)


def draw(
    model: DiffusionModel, references: References, images: int
) -> tuple[float, dict[str, float]]:
    """Draw and score images; return the CPU milliseconds an image and the scores."""
    labels = score_labels(references.dataset, images)
    start = time.process_time()
    drawn = model.generate(labels)
    milliseconds = 1000 * (time.process_time() - start) / images
    return milliseconds, score_images(drawn, labels, references)


def compare(name: str, model: DiffusionModel, references: References, images: int) -> float:
    """Print both samplers of one model; return the ratio of their times."""
    sampling = model.recipe.sampling
    quick = model.with_sampling(**OURS)
    before, ours = draw(quick, references, images)
    theirs_ms, theirs = draw(model, references, images)
    after, _ = draw(quick, references, images)
    ours_ms = (before + after) / 2
    for title, milliseconds, scores in (
        (f"{sampling.sampler}, {sampling.steps} steps", theirs_ms, theirs),
        (f"{OURS['sampler']}, {OURS['steps']} steps", ours_ms, ours),
    ):
        print(
            f"{name}  {title:<28} {milliseconds:9.1f} ms an image  FID {scores['fid']:6.1f}  "
            f"labels {scores['label_agreement']:.0%}"
        )
    print(f"{name}  published / ours: {theirs_ms / ours_ms:.1f} times")
    return theirs_ms / ours_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train-images", type=int, default=40_000)
    parser.add_argument("--images", type=int, default=100)
    add_json(parser)
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset("mnist5k")
    references = References.of(dataset, build_extractor(dataset.config()))
    print(f"torch threads: {torch.get_num_threads()}; FID of {given.images} images")
    figures = {}
    for name, recipe in recipes(dataset, given.train_images).items():
        times = compare(name, trained(name, recipe, dataset), references, given.images)
        figures[f"{name}: the published sampler, times as long as ours"] = times
    keep(figures, given.json)


if __name__ == "__main__":
    main()
