"""How fast compressions are screened, and how well their drift ranks their FIDs.

    python -m benchmarks.screening time FOLDER
    python -m benchmarks.screening rank FOLDER [--count 40]

The folder keeps the backbones, which are trained where they are missing, and the FIDs of 1,000
images each, so that what was cut off goes on. `time` screens 200 random compressions of the first
judged backbone. `rank` prints Kendall's tau with FID, over all compressions and over those whose
FID is below five times the best, with the bootstrap's 95 % interval; what the drift weights is
chosen on the first two backbones and judged on the others.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import torch
from torch import Tensor

from benchmarks.rank_agreement import tau
from benchmarks.screening_scores import Networks, Trained, random_compressions, score
from diffusion.compress.package import stored_weights
from diffusion.compress.quantize import plain_values
from diffusion.data import ImageDataset, load_dataset
from diffusion.recipe import Recipe
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.references import References
from search_spaces.quick import FINETUNE_IMAGES
from study.evaluation.screening import screen
from study.evaluation.yardstick import Yardstick, guided

CPU = torch.device("cpu")
CHOSEN_ON = (
    Trained("mini_ddpm", "12-32", "published", 32_000, seed=1),
    Trained("ncsn", "16-32-64-128", "narrow", 32_000, seed=1),
)
JUDGED_ON = (
    Trained("mini_ddpm", "12-32", "published", 64_000, seed=0),
    Trained("mini_ddpm", "24-64", "narrow", 40_000, seed=0),
    Trained("ncsn", "16-32-64-128", "narrow", 64_000, seed=0),
    Trained("mini_ddpm", "12-32", "narrow", 64_000, seed=0),
)
GOOD = 5.0  # Times the best FID: worse ones are of no interest.
FEWEST = 4  # Of which there is a rank correlation.

# A cheap score of each image's distance and noise level.
Weighting = Callable[[Tensor, Tensor], Tensor]
WEIGHTINGS: dict[str, Weighting] = {
    "drift": lambda distances, sigma: distances.mean(),
    "drift, every other image": lambda distances, sigma: distances[::2].mean(),
    "drift, sigma up to 10": lambda distances, sigma: distances[sigma <= 10].mean(),
    "drift, sigma from 1": lambda distances, sigma: distances[sigma >= 1].mean(),
}


def cheap_scores(
    recipe: Recipe, networks: Networks, yardstick: Yardstick, plain_target: Tensor
) -> dict[str, float]:
    """Return a compression's drifts, with and without guidance, and its denoising loss."""
    network, steps = networks.original(recipe.ema.track).compressed(recipe.compression)
    stored = stored_weights(recipe, network, steps)
    network.load_state_dict({name: plain_values(value) for name, value in stored.items()})
    batch = yardstick.batch
    labelled = batch.denoise(network)
    distances = batch.distances(guided(batch, network, labelled), yardstick.target)
    drifts = {name: float(f(distances, batch.sigma)) for name, f in WEIGHTINGS.items()}
    plain = float(batch.distances(labelled, plain_target).mean())
    return {**drifts, "drift without guidance": plain, "denoising loss": batch.loss(labelled)}


def print_ranks(trained: Trained, folder: Path, references: References, count: int) -> None:
    """Score a backbone's compressions both ways and print the rows of the table."""
    dataset = references.dataset
    recipe = trained.recipe(dataset)
    networks = Networks(folder, recipe, dataset)
    recipes = random_compressions(recipe, count, finetune_images=(0,))
    path = folder / "fids" / f"{recipe.backbone_key}-{trained.train_images}.jsonl"
    scored = list(score(recipes, networks, references, path))
    yardstick = Yardstick.of(recipes, networks.load, dataset, CPU)
    best = min(yardstick.track_losses, key=lambda track: yardstick.track_losses[track])
    plain_target = yardstick.batch.denoise(networks.load(best))
    cheap = [cheap_scores(recipe, networks, yardstick, plain_target) for recipe, _ in scored]
    fids = np.array([fid for _, fid in scored])
    for name in cheap[0]:
        values = np.array([scores[name] for scores in cheap])
        kept = (np.isfinite(fids), fids < GOOD * np.nanmin(fids))
        cells = [_tau_cell(values[some], fids[some]) for some in kept]
        print(f"| {trained.name} | {name} | {' | '.join(cells)} |", flush=True)


def print_time(trained: Trained, folder: Path, dataset: ImageDataset, count: int) -> None:
    """Screen random compressions with all knobs and print how long it took."""
    recipe = trained.recipe(dataset)
    networks = Networks(folder, recipe, dataset)
    recipes = random_compressions(recipe, count, FINETUNE_IMAGES)
    wall, processor = time.perf_counter(), time.process_time()
    found = list(screen(recipes, networks.load, dataset, CPU))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    refused = sum(screened.reason is not None for screened in found)
    print(f"{trained.name}: {count} compressions, {refused} of them refused, in {wall:.1f} s")
    print(f"processor time: {processor:.1f} s")


def _tau_cell(cheap: np.ndarray, fids: np.ndarray) -> str:
    if len(fids) < FEWEST:
        return f"{len(fids)} alone"
    value, low, high = tau(cheap.tolist(), fids.tolist())
    return f"{value:.2f} ({low:.2f} to {high:.2f}), {len(fids)}"


def main() -> None:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("time", "rank"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dataset = load_dataset("mnist5k")
    if given.what == "time":
        print_time(JUDGED_ON[0], given.folder, dataset, given.count or 200)
        return
    extractor = build_extractor(dataset.config(), None, dataset.class_names)
    references = References.of(dataset, extractor)
    print("| backbone | ranked by | tau, all | tau, good ones |\n|-|-|-|-|")
    for trained in (*CHOSEN_ON, *JUDGED_ON):
        print_ranks(trained, given.folder, references, given.count or 40)


if __name__ == "__main__":
    main()
