"""How cost grows: with the pixels, the parameters, the images and the trials at once.

    python -m benchmarks.growth [--rounds 3] [--json FILE]

Processor time at one thread of a training step of a mini_ddpm, over its work: the
multiply-accumulates of its network, the images of its batch. Told is how much more that costs than
in the first row of each kind: 1 is as much, more grows faster than the work. Trials at once are
processes that train side by side; more of them than cores share what time there is.
"""

import multiprocessing
import statistics
from collections.abc import Callable, Mapping
from functools import partial

import torch

from benchmarks.in_turns import Figures, benchmark_parser, in_turns, processor_seconds, run
from benchmarks.subjects import OurTraining, made_up_images, recipe_of
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import NetworkConfig, Recipe

NETWORK = NetworkConfig("mini_ddpm", (24, 64), patch_size=2)
BATCH_SIZE = 32
PIXELS = (28, 32, 56, 64)
WIDTHS = ((12, 32), (24, 64), (64, 160), (128, 256), (192, 384))  # 0.1 to 20 million parameters
COUNTS = (5_000, 20_000, 70_000)
AT_ONCE = (1, 2, 3, 4)
STEPS_AT_ONCE = 40
Costs = Mapping[str, tuple[Callable[[], object], float]]  # what is done, and how much work it is


def growth(costs: Costs, rounds: int) -> Figures:
    """Return how much more each costs for its work than the first, by what it is."""
    seconds = in_turns({name: work for name, (work, _) in costs.items()}, rounds)
    first, *_ = each = [
        [turn / amount for turn in seconds[name]] for name, (_, amount) in costs.items()
    ]
    ratios = ([own / base for own, base in zip(turns, first, strict=True)] for turns in each)
    return {name: statistics.median(found) for name, found in zip(costs, ratios, strict=True)}


def training(recipe: Recipe, count: int = 1_000) -> OurTraining:
    """Return a recipe's training on so many images."""
    return OurTraining(recipe, *made_up_images(recipe, count))


def macs_of(recipe: Recipe) -> float:
    """Return the multiply-accumulates of one call of a recipe's network."""
    return float(count_macs(build_network(recipe.network, recipe.data), recipe.data))


def by_pixels(rounds: int) -> Figures:
    """Measure images of several sizes."""
    recipes = {
        f"{size} pixels": recipe_of(NETWORK, BATCH_SIZE, image_size=size) for size in PIXELS
    }
    return growth({n: (training(r).step, macs_of(r)) for n, r in recipes.items()}, rounds)


def by_parameters(rounds: int) -> Figures:
    """Measure networks of several sizes."""
    costs = {}
    for widths in WIDTHS:
        recipe = recipe_of(NetworkConfig("mini_ddpm", widths, patch_size=2), BATCH_SIZE)
        parameters, _ = count_parameters(build_network(recipe.network, recipe.data))
        name = f"{parameters / 1e6:.1f} million parameters"
        costs[name] = training(recipe).step, macs_of(recipe)
    return growth(costs, rounds)


def by_images(rounds: int) -> Figures:
    """Measure data sets of several sizes; a step's work is the same."""
    recipe = recipe_of(NETWORK, BATCH_SIZE)
    return growth({f"{n:,} images": (training(recipe, n).step, 1.0) for n in COUNTS}, rounds)


def _seconds_of_a_trial(_: int) -> float:
    torch.set_num_threads(1)
    step = training(recipe_of(NETWORK, BATCH_SIZE)).step
    step()
    return processor_seconds(step, STEPS_AT_ONCE)


def by_trials(rounds: int) -> Figures:
    """Measure several processes side by side."""
    spawning = multiprocessing.get_context("spawn")
    seconds: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    for _ in range(rounds):
        for count in AT_ONCE:
            with spawning.Pool(count) as pool:
                each = pool.map(_seconds_of_a_trial, range(count), chunksize=1)
            seconds[count].append(statistics.mean(each))
    one = statistics.median(seconds[1])
    return {
        f"{count} trials at once": statistics.median(seconds[count]) / one for count in AT_ONCE
    }


def measure(rounds: int) -> Figures:
    """Measure all four."""
    kinds = (by_pixels, by_parameters, by_images, by_trials)
    return {name: value for kind in kinds for name, value in partial(kind, rounds)().items()}


if __name__ == "__main__":
    run(measure, benchmark_parser(__doc__, rounds=3).parse_args())
