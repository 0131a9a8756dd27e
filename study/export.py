"""Leave a model as a model hub expects it: card, weights, recipe, samples; nothing is uploaded.

python -m study.export runs/quick-001/front/best --to DIR --license apache-2.0
python -m study.export runs/quick-001/front/best --to DIR --license mit --format onnx
python -m study.export runs/quick-001 --to DIR           the whole front, with its tables
"""

from pathlib import Path
from typing import TYPE_CHECKING

from diffusion.files import whole_path
from study.cli import parser as cli
from study.cli.paths import folder
from study.results.words import counted

if TYPE_CHECKING:
    from study.display.point_files import PointFiles

FORMATS = ("onnx", "torch")


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.export", description=__doc__)
    add = parser.add_argument
    add(
        "point", type=folder, help="a front point's folder, a model.pdm, or a run: its whole front"
    )
    add("--to", type=Path, required=True, metavar="DIR", help="a new folder")
    add("--license", metavar="ID", help="of the model, like apache-2.0; asked for of each model")
    add(
        "--format",
        action="append",
        choices=FORMATS,
        default=[],
        help="also write the denoiser as model.onnx or model.pt2 (torch.export); again for both",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    point, to = whole_path(given.point), whole_path(given.to)
    if (point / "run.json").exists():
        return _export_front(point, to, given.license, given.format)
    # What is slow to import comes after --help.
    from diffusion.compress.package import PACKAGE_NAME
    from diffusion.data import FOLDER
    from study.display.hub_card import check_license
    from study.display.hub_folder import write_hub_folder
    from study.display.point_files import read_point

    license_id, files = check_license(given.license), read_point(point)
    programs: dict[str, bytes] = {}
    for name in dict.fromkeys(given.format):
        print(f"exporting for {name}, and checking it against the model")
        programs |= _program(name, files)
    sizes = write_hub_folder(files, to, _title(files.path.parent), license_id, programs)
    for name, size in sizes.items():
        print(f"{size:>12,} bytes  {name}")
    data = files.model.recipe.data.name
    if data.startswith(FOLDER):
        print(f"{PACKAGE_NAME} and config.json name where its data lay: {data}")
    print(f"to publish: {to}")
    return 0


def _export_front(run_dir: Path, to: Path, license_id: str | None, formats: list[str]) -> int:
    """Copy a run's whole front, which has no licence and no formats of its own."""
    from study.display.front_copy import copy_front

    if license_id is not None or formats:
        raise ValueError(
            f"--license and --format are of one model, but {run_dir} is a run; allowed: a point "
            "of its front"
        )
    count = copy_front(run_dir, to)
    print(f"the front's tables and {counted(count, 'model')}: {to}")
    return 0


def _program(name: str, files: "PointFiles") -> dict[str, bytes]:
    """Return the files of a format, checked against the model."""
    if name == "torch":
        from diffusion.export.torch_program import torch_program

        return {"model.pt2": torch_program(files.model)}
    from diffusion.compress.package import read_stored
    from diffusion.export.onnx import SAMPLER, onnx_program, sampler_script

    content = onnx_program(files.model, read_stored(files.path))
    return {"model.onnx": content, SAMPLER: sampler_script()}


def _title(folder: Path) -> str:
    """Name a model by the folders that it lies in: quick-001-05-20."""
    run = folder.parent.parent.name if folder.parent.name in ("front", "trials") else ""
    return f"{run}-{folder.name}".strip("-") or "model"


if __name__ == "__main__":
    cli.run_command(main)
