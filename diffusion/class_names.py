"""Names of the classes that a model draws: beside its file, or known from its data set."""

import json
from collections.abc import Sequence
from pathlib import Path

from diffusion.errors import about_path
from diffusion.files import read_bounded
from diffusion.recipe import DataConfig

CLASSES_NAME = "classes.json"
MAX_BYTES = 2**24
_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
# Of models that were made before their classes' names were kept.
KNOWN = {
    "mnist": tuple(f"{digit} - {word}" for digit, word in enumerate(_DIGITS)),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}


def class_names(data: DataConfig, path: Path) -> tuple[str, ...]:
    """Return the names of a model's classes; their numbers where none are known.

    Args:
        data: of the model's recipe.
        path: of the file that keeps them beside the model; it need not be there.

    Raises:
        ValueError: the file is damaged, or of other classes than the model's.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        content = None
    except (OSError, ValueError) as error:
        raise ValueError(about_path("classes", path, f"cannot be read: {error}")) from error
    return parsed_names(data, content, path)


def parsed_names(data: DataConfig, content: bytes | None, path: Path) -> tuple[str, ...]:
    """Return the names of a model's classes from the content of their file.

    Args:
        data: of the model's recipe.
        content: of the file; None where there is none.
        path: of the file, as it is named where it is damaged.

    Raises:
        ValueError: the file is damaged, or of other classes than the model's.
    """
    if content is None:
        known = KNOWN.get(data.name, ())
        return known if len(known) == data.num_classes else _numbers(data.num_classes)
    try:
        names = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(about_path("classes", path, f"cannot be read: {error}")) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(about_path("classes", path, "are no names; allowed: a list of texts"))
    if len(names) != data.num_classes or len(set(names)) < len(names):
        reason = f"are {len(names)} names; allowed: {data.num_classes}, each once"
        raise ValueError(about_path("classes", path, reason))
    return tuple(names)


def label_of(name: str, names: Sequence[str]) -> int:
    """Return the label of a class.

    Args:
        name: of the class, or its label in digits where no class has digits for a name.
        names: of all classes, by their labels.

    Raises:
        ValueError: there is no such class.
    """
    if name in names:
        return names.index(name)
    has_numbers = any(map(str.isdecimal, names))
    if not has_numbers and name.isdecimal() and int(name[:9]) < len(names):
        return int(name)
    listed = ", ".join(names)
    raise ValueError(
        f"label is {name!r}; allowed: {listed}{'' if has_numbers else f', 0 to {len(names) - 1}'}"
    )


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))
