"""Draw images with a model file.

python -m study.generate RUN/front/01-17 -n 64 --label 7 --out grid.png
python -m study.generate RUN/front/01-17 -n 1000 --out digits.npz --seed 1 --guidance 2
python -m study.generate RUN/front/01-17 --sampler heun --steps 10 --out grid.png
"""

import argparse
import io
import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion.config import choices
from diffusion.files import check_out, write_bytes
from diffusion.recipe import SamplerName, Schedule
from study.cli import parser as cli
from study.cli.paths import folder

if TYPE_CHECKING:
    from diffusion.model import DiffusionModel


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.generate", description=__doc__)
    parser.add_argument("model", type=folder, help="a front point's folder, or a model.pdm")
    add = parser.add_argument_group("what is drawn").add_argument
    add(
        *("-n", "--num-images"),
        type=cli.count(cli.MOST_IMAGES),
        metavar="N",
        default=64,
        help="how many (default 64)",
    )
    add("--label", type=cli.whole, help="class of all images (default: every class in turn)")
    add("--out", type=Path, metavar="FILE", required=True, help="PNG of a grid, or .npz of all")
    add("--device", default="cpu", help="cpu or cuda (default cpu)")
    _add_sampling(parser)
    return parser


def _add_sampling(parser: cli.Parser) -> None:
    add = parser.add_argument_group("how it is drawn (default: as the recipe says)").add_argument
    add("--seed", type=cli.seed, metavar="N", help="of the noise")
    add("--steps", type=cli.count(cli.MOST_STEPS), metavar="N", help="noise levels walked")
    add("--sampler", choices=choices(SamplerName), metavar="NAME", help=_listed(SamplerName))
    add(
        "--schedule",
        choices=choices(Schedule),
        metavar="NAME",
        help=f"of noise levels: {_listed(Schedule)}",
    )
    add("--guidance", type=cli.guidance, metavar="W", help="1 is plain, more is stricter")
    for end in ("min", "max"):
        add(
            f"--guidance-sigma-{end}",
            type=cli.noise_level,
            metavar="SIGMA",
            help=f"{end}imum noise level with guidance",
        )


def _listed(literal: object) -> str:
    return ", ".join(choices(literal))


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    out: Path = given.out
    if out.suffix not in (".png", ".npz"):
        raise ValueError(f"--out is {str(out)!r}; allowed: a name that ends in .png or .npz")
    if not out.parent.is_dir():
        raise ValueError(f"--out is {str(out)!r}, but {out.parent} is no folder")
    check_out(out)
    # These take seconds to import: only once the options are in order.
    import numpy as np
    import torch
    from rich.progress import Progress

    from study.evaluation.pictures import save_grid

    model = _load_model(given)
    count, num_classes = given.num_images, model.recipe.data.num_classes
    if given.label is not None and given.label >= num_classes:
        raise ValueError(f"--label is {given.label}; allowed: 0 to {num_classes - 1}")
    if given.label is not None and not model.recipe.network.conditional:
        raise ValueError(f"--label is {given.label}, but the model was trained without labels")
    labels = torch.arange(count) % num_classes
    if given.label is not None:
        labels = torch.full((count,), given.label)
    start = time.perf_counter()
    with Progress(transient=True) as progress:
        task = progress.add_task("drawing images", total=count)
        images = model.generate(
            labels, on_progress=lambda done: progress.update(task, completed=done)
        )
    if out.suffix == ".npz":
        content = io.BytesIO()
        np.savez_compressed(content, images=images.numpy(), labels=labels.numpy())
        write_bytes(out, content.getvalue())
    else:
        save_grid(images, _columns(count, num_classes, given.label is None), out)
    print(f"{count} images in {time.perf_counter() - start:.1f} s: {out}")
    return 0


def _load_model(given: argparse.Namespace) -> "DiffusionModel":
    """Read the model, on the device and with the sampling that were asked for."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", given.device):
        raise ValueError(f"--device is {given.device!r}; allowed: cpu, cuda or cuda:N")
    import torch

    from diffusion.compress.package import PACKAGE_NAME, read_package

    if given.device != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"--device is {given.device!r}, but there is no GPU; allowed: cpu")
    path = given.model / PACKAGE_NAME if given.model.is_dir() else given.model
    return read_package(path, given.device).with_sampling(
        seed=given.seed,
        sampler=given.sampler,
        steps=given.steps,
        schedule=given.schedule,
        guidance=given.guidance,
        guidance_sigma_min=given.guidance_sigma_min,
        guidance_sigma_max=given.guidance_sigma_max,
    )


def _columns(count: int, num_classes: int, by_class: bool) -> int:
    """A column a class where that gives a grid, else as square as can be."""
    return num_classes if by_class and 2 <= num_classes <= 20 else math.ceil(math.sqrt(count))


if __name__ == "__main__":
    cli.run_command(main)
