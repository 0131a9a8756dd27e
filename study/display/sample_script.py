"""Draw images with the model beside this file: python sample.py [COUNT] [SEED].

It needs the project that made the model, paretodiff, and writes grid.png.
"""

import math
import sys
from pathlib import Path

import torch

from diffusion.compress.package import read_package
from study.evaluation.pictures import save_grid


def main(count: int = 64, seed: int = 0) -> None:
    """Draw images of every class in turn, and write them as a grid."""
    here = Path(__file__).parent
    model = read_package(here / "model.pdm").with_sampling(seed=seed)
    classes = model.recipe.data.num_classes
    images = model.generate(torch.arange(count) % classes)
    columns = classes if 2 <= classes <= 20 else math.ceil(math.sqrt(count))
    save_grid(images, columns, here / "grid.png")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
