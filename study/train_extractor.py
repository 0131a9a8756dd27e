"""Train the feature extractor that scores a data set without a built-in one.

python -m study.train_extractor --dataset folder:PATH --out extractor.safetensors
python -m study.train_extractor --dataset cifar10 --download --data-dir DIR --flip --out FILE
"""

from pathlib import Path

from diffusion.dataset_names import DATASET_NAMES, MOST_PIXELS_RESIZED, sized_name
from diffusion.files import check_out
from study.cli import parser as cli


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.train_extractor", description=__doc__)
    add = parser.add_argument
    add("--dataset", required=True, help=f"data: {', '.join(DATASET_NAMES)}")
    add("--data-dir", type=Path, metavar="DIR", help=cli.DATA_DIR_HELP)
    add("--download", action="store_true", help="fetch a missing data set into --data-dir")
    add(
        "--image-size",
        type=cli.count(MOST_PIXELS_RESIZED),
        metavar="PIXELS",
        help=cli.IMAGE_SIZE_HELP,
    )
    add(
        "--epochs",
        type=cli.count(cli.MOST_EPOCHS),
        metavar="N",
        help="passes (default: more for fewer images)",
    )
    add("--flip", action="store_true", help="mirror images, too; not for digits or letters")
    add(
        "--seed",
        type=cli.seed,
        metavar="N",
        default=0,
        help="of weights, order and shifts (default 0)",
    )
    add("--out", type=Path, metavar="FILE", required=True, help="safetensors file to write")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    out: Path = given.out
    check_out(out)
    from rich.console import Console

    from diffusion.data import load_dataset
    from study.cli.classifier_training import train_extractor

    name = sized_name(given.dataset, given.image_size)
    dataset = load_dataset(name, given.data_dir, download=given.download)
    chosen = {"epochs": given.epochs, "seed": given.seed, "flip": given.flip}
    train_extractor(dataset, out, Console(), **chosen)
    return 0


if __name__ == "__main__":
    cli.run_command(main)
