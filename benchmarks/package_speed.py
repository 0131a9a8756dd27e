"""Time writing and reading the package of a DDPM of 17,868,145 parameters, and its memory.

    python benchmarks/package_speed.py [--calibrate]

Its weights are drawn from normal distributions. Packages of uniform steps of one standard
deviation and of plain float32 are written and read, each in a process of its own; what the
process's memory grows by at most is told over the weights' float32 size. With `--calibrate`
steps are allotted too, and weights rounded with a look at their errors.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from diffusion.compress.allotment import allot_steps
from diffusion.compress.package import read_package, write_package
from diffusion.compress.rounding import round_with_errors
from diffusion.compress.uniform import relative_steps
from diffusion.networks import build_network
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)

KILOBYTE = 1024
PARAMETERS = 17_868_145
COMPRESSIONS = {
    "uniform": CompressionConfig(quantization="uniform", quantization_step=1.0),
    "none": CompressionConfig(),
}


def build(quantization: str, width: int = 56) -> tuple[Recipe, nn.Module]:
    """Return the recipe and a network whose weights are normal."""
    recipe = Recipe(
        data=DataConfig("digits", 28, 1, 10, ""),
        network=NetworkConfig("ddpm", (width,), groups=1),
        training=TrainingConfig(train_images=64, batch_size=16),
        sampling=SamplingConfig(steps=3),
        compression=COMPRESSIONS[quantization],
    )
    network = build_network(recipe.network, recipe.data, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            fan_in = max(value[0].numel() if value.ndim > 1 else 1, 1)
            value.normal_(0, fan_in**-0.5, generator=generator)
    return recipe, network


def most_memory() -> int:
    """Return the most bytes that the process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE


def import_all(path: Path) -> None:
    """Read a small package, so that what torch imports only then is counted as no package's."""
    write_package(path, *build("uniform", width=8))
    read_package(path)


def measure(action: str, quantization: str, path: Path) -> None:
    """Run one action in this process and print its line."""
    import_all(path.with_suffix(".small"))
    if action != "read":  # which builds its own
        recipe, network = build(quantization)
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(256) % 10
    before, start = most_memory(), time.perf_counter()
    if action == "write":
        write_package(path, recipe, network)
    elif action == "read":
        read_package(path)
    elif action == "allot":
        allot_steps(network, recipe, images, labels)
    else:
        round_with_errors(network, recipe, relative_steps(network, 1.0), images, labels)
    seconds, more = time.perf_counter() - start, most_memory() - before
    length = path.stat().st_size if path.exists() else 0
    print(
        f"| {action} {quantization} | {seconds:.1f} s | {more / 1e6:.0f} MB more "
        f"| {more / (4 * PARAMETERS):.2f} x float32 | {length:,} bytes |",
        flush=True,
    )


def main() -> None:
    """Measure each action in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        action, quantization, path = arguments.one
        measure(action, quantization, Path(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        actions = [(action, name) for name in COMPRESSIONS for action in ("write", "read")]
        if arguments.calibrate:
            actions += [("allot", "uniform"), ("round", "uniform")]
        for action, name in actions:
            path = str(Path(folder) / f"{name}.pdm")
            command = [sys.executable, __file__, "--one", action, name, path]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
