"""The folder that a model hub expects of a model; nothing is uploaded."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import safetensors.torch
import torch

from diffusion.class_names import CLASSES_NAME, class_names
from diffusion.compress.package import PACKAGE_NAME
from diffusion.errors import about_path
from diffusion.files import write_bytes
from diffusion.model import DiffusionModel
from study.display.front_folder import CARD_NAME
from study.display.hub_card import hub_card
from study.display.own_files import remove_own
from study.display.point_files import PointFiles
from study.evaluation.samples import SAMPLES_NAME, save_samples

# What a file is, by its name; the card lists those that there are, in this order.
ABOUT = {
    PACKAGE_NAME: "the model that was scored: one range-coded file",
    "model.safetensors": "the same weights as plain float32 tensors",
    "config.json": "the recipe: everything that defines the model",
    CLASSES_NAME: "names of the classes that it draws",
    SAMPLES_NAME: "images that it drew",
    "sample.py": "draws images with the model",
    "model.onnx": "its denoiser for any runtime of ONNX, low-bit weights kept low-bit",
    "sample_onnx.py": "draws images with that, without torch",
    "model.pt2": "its denoiser as a program of torch.export",
}


def write_hub_folder(
    point: PointFiles, to: Path, title: str, license_id: str, programs: Mapping[str, bytes]
) -> dict[str, int]:
    """Write a model's folder, aside and then renamed.

    Args:
        point: the model and its figures.
        to: the folder; it is new or empty.
        title: of the model.
        license_id: its licence, as the hub names it.
        programs: content of further files, named as in ABOUT.

    Returns:
        The length of each file in bytes, but for the card's own.

    Raises:
        ValueError: the folder cannot be written there.
    """
    with new_folder(to) as aside:
        for name, content in {**_own_files(point), **programs}.items():
            write_bytes(aside / name, content)
        if point.samples is None:
            _draw_samples(point.model, _class_names(point), aside / SAMPLES_NAME)
        sizes = {n: (aside / n).stat().st_size for n in ABOUT if (aside / n).exists()}
        text = hub_card(
            point, title, license_id, {n: (size, ABOUT[n]) for n, size in sizes.items()}
        )
        write_bytes(aside / CARD_NAME, text.encode())
    return sizes


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """Give a folder to be filled, which then takes a new or empty one's place.

    Raises:
        ValueError: something is there, or nothing can be.
    """
    if os.path.lexists(to) and (to.is_symlink() or not to.is_dir() or any(to.iterdir())):
        raise ValueError(about_path("--to", to, "is there already; allowed: a new folder's name"))
    if not to.parent.is_dir():
        raise ValueError(about_path("--to", to, f"cannot be made: {to.parent} is no folder"))
    aside = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        aside.replace(to)
    finally:
        remove_own(aside)


def _own_files(point: PointFiles) -> dict[str, bytes]:
    recipe = json.dumps(point.model.recipe.to_dict(), indent=2) + "\n"
    script = files("study.display").joinpath("sample_script.py").read_bytes()
    return {
        PACKAGE_NAME: point.package,
        "model.safetensors": _weights(point.model),
        "config.json": recipe.encode(),
        CLASSES_NAME: json.dumps(_class_names(point), indent=2).encode(),
        "sample.py": script,
        **({} if point.samples is None else {SAMPLES_NAME: point.samples}),
    }


def _weights(model: DiffusionModel) -> bytes:
    state = model.network.state_dict()
    return safetensors.torch.save({name: t.contiguous() for name, t in state.items()})


def _class_names(point: PointFiles) -> tuple[str, ...]:
    return class_names(point.model.recipe.data, point.path.with_name(CLASSES_NAME))


def _draw_samples(model: DiffusionModel, names: Sequence[str], path: Path) -> None:
    """Draw a sheet for a model file that has none beside it."""
    classes = len(names)
    labels = (torch.arange(8 * min(classes, 10)) % classes).sort().values
    is_labelled = model.recipe.network.conditional
    save_samples(model.generate(labels), labels, names if is_labelled else None, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
