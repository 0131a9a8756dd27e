"""Draw images with a model file.

python -m study.generate RUN/front/best -n 64 --label cat --out grid.png
python -m study.generate RUN/front/smallest -n 1000 --out digits.npz --seed 1 --guidance 2
python -m study.generate RUN/front/05 --sampler heun --steps 10 --out grid.png
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion.config import choices
from diffusion.recipe import DrawingPrecision, SamplerName, Schedule
from study.cli import parser as cli
from study.cli.paths import folder

if TYPE_CHECKING:
    from study.display.drawing_model import Model


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.generate", description=__doc__)
    parser.add_argument(
        "model",
        type=folder,
        help="RUN/front/NAME, of which NAME is best (the lowest FID), smallest, pick, a rank "
        "like 05 or a folder there; RUN/trials/NUMBER; or a model.pdm",
    )
    add = parser.add_argument_group("what is drawn").add_argument
    add(
        *("-n", "--num-images"),
        type=cli.count(cli.MOST_IMAGES),
        metavar="N",
        default=64,
        help="how many (default 64)",
    )
    add(
        "--label",
        metavar="CLASS",
        help="class of all images, by name or number (default: every one in turn)",
    )
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
    add(
        "--precision",
        choices=choices(DrawingPrecision),
        metavar="NAME",
        help=f"of the network's products: {_listed(DrawingPrecision)}",
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
    # These take seconds to import: only once the options are in order.
    import torch
    from rich.progress import Progress

    from diffusion.device import prepare
    from diffusion.files import check_out
    from study.display.samples import SUFFIXES
    from study.results.words import counted

    check_out(given.out, SUFFIXES)
    model = _load_model(given)
    count = len(model.asked(given.num_images, given.label))
    prepare(torch.device(given.device))
    start = time.perf_counter()
    with Progress(transient=True) as progress:
        task = progress.add_task("drawing images", total=count)
        samples = model.generate(
            count, given.label, on_progress=lambda done: progress.update(task, completed=done)
        )
    samples.save(given.out)
    print(f"{counted(count, 'image')} in {time.perf_counter() - start:.1f} s: {given.out}")
    return 0


def _load_model(given: argparse.Namespace) -> "Model":
    """Read the model, on the device and with the sampling that were asked for."""
    from study.display.drawing_model import Model

    return Model.read(given.model, given.device).with_sampling(
        seed=given.seed,
        sampler=given.sampler,
        steps=given.steps,
        schedule=given.schedule,
        guidance=given.guidance,
        guidance_sigma_min=given.guidance_sigma_min,
        guidance_sigma_max=given.guidance_sigma_max,
        precision=given.precision,
    )


if __name__ == "__main__":
    cli.run_command(main)
