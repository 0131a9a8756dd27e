"""Draw images with a model file.

python -m study.generate RUN/front/best -n 64 --label cat --out grid.png
python -m study.generate RUN/front/smallest -n 1000 --out digits.npz --seed 1 --guidance 2
python -m study.generate RUN/front/05 --sampler heun --steps 10 --out grid.png
"""

import argparse
import time
from pathlib import Path

from rich.progress import Progress

from diffusion.config import choices
from diffusion.recipe import SamplerName, Schedule
from study.cli import parser as cli
from study.cli.places import folder
from study.display.drawing_model import Model
from study.display.samples import check_samples_out
from study.results.words import counted


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.generate", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add(
        "model",
        type=folder,
        help="RUN/front/NAME, of which NAME is best (the lowest FID), smallest, a rank like 05 or "
        "a folder there; RUN/trials/NUMBER; or a model.pdm",
    )
    add(
        *("-n", "--num-images"),
        type=cli.count(cli.MOST_IMAGES),
        default=64,
        help="how many (default 64)",
    )
    add("--label", help="class of all images, by name or number (default: every one in turn)")
    add("--out", type=Path, required=True, help="PNG of a grid, or .npz of images and labels")
    add("--seed", type=cli.seed, help="of the noise (default: the recipe's)")
    add(
        "--steps",
        type=cli.count(cli.MOST_STEPS),
        help="noise levels walked (default: the recipe's)",
    )
    add("--sampler", choices=choices(SamplerName), help="(default: the recipe's)")
    add("--schedule", choices=choices(Schedule), help="of noise levels (default: the recipe's)")
    add(
        "--guidance",
        type=cli.guidance,
        help="1 is plain, more is stricter (default: the recipe's)",
    )
    for end in ("min", "max"):
        add(
            f"--guidance-sigma-{end}",
            type=cli.noise_level,
            metavar="SIGMA",
            help=f"{end}imum noise level with guidance (default: the recipe's)",
        )
    add("--device", default="cpu", help="cpu or cuda (default cpu)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    out = check_samples_out(given.out)
    model = _load_model(given)
    count = len(model.asked(given.num_images, given.label))
    start = time.perf_counter()
    with Progress(transient=True) as progress:
        task = progress.add_task("drawing images", total=count)
        samples = model.generate(
            count, given.label, on_progress=lambda done: progress.update(task, completed=done)
        )
    samples.save(out)
    print(f"{counted(count, 'image')} in {time.perf_counter() - start:.1f} s: {out}")
    return 0


def _load_model(given: argparse.Namespace) -> Model:
    """Read the model, on the device and with the sampling that were asked for."""
    return Model.read(given.model, given.device).with_sampling(
        seed=given.seed,
        sampler=given.sampler,
        steps=given.steps,
        schedule=given.schedule,
        guidance=given.guidance,
        guidance_sigma_min=given.guidance_sigma_min,
        guidance_sigma_max=given.guidance_sigma_max,
    )


if __name__ == "__main__":
    cli.run_command(main)
