"""Training and drawing against a plain PyTorch loop of the same network, in turns.

    python -m benchmarks.speed [--rounds 5] [--json FILE]

Processor time at one thread, in float32 and bf16: our step with its averages against
benchmarks.plain_loop, the three architectures each at the batch it is trained with, and 100 images
in eight steps of DPM-Solver++(2M). The plain loop has a process of its own, where memory is
allotted as by default. The ratios are medians over rounds. What a training reaches of
the fastest matrix product here is told too: three times the multiply-accumulates of one call.
"""

import statistics

import torch
from torch import Tensor

from benchmarks import plain_loop
from benchmarks.in_turns import (
    Elsewhere,
    Figures,
    Work,
    benchmark_parser,
    in_turns,
    run,
    times_faster,
)
from benchmarks.subjects import OurTraining, made_up_images, our_model, recipe_of
from diffusion.networks import build_network, count_macs
from diffusion.recipe import NetworkConfig, Precision, Recipe
from diffusion.schedules import karras_sigmas

NETWORKS = {
    "ncsn 32-64-128-256, batch 32": (NetworkConfig("ncsn", (32, 64, 128, 256)), 32),
    "ddpm 16, batch 16": (NetworkConfig("ddpm", (16,)), 16),
    "mini_ddpm 24-64 patch 2, batch 16": (NetworkConfig("mini_ddpm", (24, 64), patch_size=2), 16),
    "mini_ddpm 24-64 patch 2, batch 64": (NetworkConfig("mini_ddpm", (24, 64), patch_size=2), 64),
}
PRECISIONS: tuple[Precision, ...] = "float32", "bf16"
PASSES = 3  # Backward costs about twice what forward does.
SIZE = 1_024  # of the matrices whose product is the peak
NUM_DRAWN = 100


def peak_macs(precision: Precision, rounds: int) -> float:
    """Return the multiply-accumulates a second of a large matrix product."""
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    first, second = torch.randn(2, SIZE, SIZE).to(dtype)
    seconds = in_turns({"product": lambda: first @ second}, rounds)["product"]
    return SIZE**3 / statistics.median(seconds)


def plain_training(recipe: Recipe) -> Work:
    """Return a step of the plain loop."""
    return plain_loop.PlainTraining(recipe, *made_up_images(recipe)).step


def plain_drawing(recipe: Recipe) -> Work:
    """Return the plain loop's drawing with our model's weights."""
    network = plain_loop.plain_network(our_model(recipe).network)
    sigmas = karras_sigmas(recipe.sampling.steps)
    return lambda: plain_loop.draw(network, _labels(recipe), sigmas, recipe)


def _labels(recipe: Recipe) -> Tensor:
    return torch.arange(NUM_DRAWN) % recipe.data.num_classes


def training_figures(name: str, recipe: Recipe, peak: float, rounds: int) -> Figures:
    """Return how fast a recipe trains."""
    ours = OurTraining(recipe, *made_up_images(recipe))
    with Elsewhere(plain_training, recipe) as plain:
        seconds = in_turns({"ours": ours.step, "plain": plain}, rounds)
    rate = recipe.training.batch_size / statistics.median(seconds["ours"])
    macs = PASSES * count_macs(build_network(recipe.network, recipe.data), recipe.data)
    return {
        f"{name}: training, images a second": rate,
        f"{name}: training, times the plain loop's": times_faster(seconds, "ours", "plain"),
        f"{name}: training, share of the peak": rate * macs / peak,
    }


def drawing_figures(name: str, recipe: Recipe, rounds: int) -> Figures:
    """Return how fast a recipe's model draws."""
    model = our_model(recipe)
    with Elsewhere(plain_drawing, recipe) as plain:
        works = {"ours": lambda: model.generate(_labels(recipe)), "plain": plain}
        seconds = in_turns(works, rounds)
    return {
        f"{name}: drawing, images a second": NUM_DRAWN / statistics.median(seconds["ours"]),
        f"{name}: drawing, times the plain loop's": times_faster(seconds, "ours", "plain"),
    }


def measure(rounds: int) -> Figures:
    """Measure every network in every precision."""
    figures: Figures = {}
    for precision in PRECISIONS:
        peak = peak_macs(precision, rounds)
        figures[f"{precision} matrix product, thousand million products a second"] = peak / 1e9
        for network, (config, batch_size) in NETWORKS.items():
            recipe, name = recipe_of(config, batch_size, precision), f"{network}, {precision}"
            figures |= training_figures(name, recipe, peak, rounds)
            figures |= drawing_figures(name, recipe, rounds)
    return figures


if __name__ == "__main__":
    run(measure, benchmark_parser(__doc__, rounds=5).parse_args())
