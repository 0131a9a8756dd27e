"""Time drawing with half of the channels against drawing with all of them.

    python benchmarks/channel_pruning.py [--ratio 0.5] [--rounds 7] [--images 100]

Weights are drawn at random: neither their values nor the importance of channels costs time. The
two networks of a shape draw in turns, in one thread; what is told is the median over the rounds
of each pair's ratio, beside the ratios of multiply-accumulates and of parameters.
"""

import argparse
import copy
import statistics
import time

import torch

from diffusion.compress.channels import remove_channels
from diffusion.model import DiffusionModel
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import DataConfig, NetworkConfig, Recipe, SamplingConfig, TrainingConfig

DATA = DataConfig("digits", 28, 1, 10, "")
SHAPES = {
    "mini_ddpm 12-32, patch 2": NetworkConfig("mini_ddpm", (12, 32), patch_size=2),
    "mini_ddpm 24-64, patch 2": NetworkConfig("mini_ddpm", (24, 64), patch_size=2),
    "mini_ddpm 24-64, patch 2, 4 groups": NetworkConfig("mini_ddpm", (24, 64), 4, patch_size=2),
    "mini_ddpm 16-32-64": NetworkConfig("mini_ddpm", (16, 32, 64)),
    "ncsn 16-32-64-128": NetworkConfig("ncsn", (16, 32, 64, 128)),
    "ncsn 32-64-128-256": NetworkConfig("ncsn", (32, 64, 128, 256)),
    "ddpm 16": NetworkConfig("ddpm", (16,)),
    "ddpm 32": NetworkConfig("ddpm", (32,)),
}


def models(config: NetworkConfig, ratio: float) -> tuple[DiffusionModel, DiffusionModel]:
    """Return a model of all channels, and one without a share of them."""
    sampling = SamplingConfig(steps=12, guidance=2.0, guidance_sigma_min=0.3)
    recipe = Recipe(DATA, config, TrainingConfig(train_images=16), sampling=sampling)
    dense = build_network(config, DATA)
    narrow = copy.deepcopy(dense)
    remove_channels(narrow, config, ratio)
    return DiffusionModel(recipe, dense), DiffusionModel(recipe, narrow)


def draw_seconds(model: DiffusionModel, images: int) -> float:
    """Draw images and return how long that took."""
    start = time.perf_counter()
    model.generate(torch.arange(images) % DATA.num_classes)
    return time.perf_counter() - start


def main() -> None:
    """Print a row for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | multiply-accumulates | parameters | time |\n|-|-|-|-|", flush=True)
    for name, config in SHAPES.items():
        dense, narrow = models(config, arguments.ratio)
        for model in (dense, narrow):
            draw_seconds(model, arguments.images)
        times = [
            draw_seconds(narrow, arguments.images) / draw_seconds(dense, arguments.images)
            for _ in range(arguments.rounds)
        ]
        macs = count_macs(narrow.network, DATA) / count_macs(dense.network, DATA)
        parameters = count_parameters(narrow.network)[0] / count_parameters(dense.network)[0]
        row = f"| {name} | {macs:.2f} | {parameters:.2f} | {statistics.median(times):.2f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
