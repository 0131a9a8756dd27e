"""Which classes a user asks a model to draw."""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from diffusion.class_names import label_of

# A class by its name or its label, several, or all in turn.
Labels = int | str | Sequence[int | str] | Tensor | None
DEFAULT_COUNT = 64


def asked_labels(
    count: int | None, labels: Labels, names: Sequence[str], *, conditional: bool
) -> Tensor:
    """Return the label of each image that is asked for.

    Args:
        count: of images; None for as many as there are labels, or 64.
        labels: of all images, or of each; None for every class in turn.
        names: of the classes, by their labels.
        conditional: whether the model was trained with labels.

    Returns:
        [count] int64.

    Raises:
        ValueError: there is no such class, the model knows none, or the counts differ.
    """
    if labels is not None and not conditional:
        raise ValueError(f"label is {labels!r}, but the model was trained without labels")
    if labels is None:
        return torch.arange(_checked(DEFAULT_COUNT if count is None else count)) % len(names)
    if isinstance(labels, int | str):
        chosen = _index(labels, names)
        return torch.full((_checked(DEFAULT_COUNT if count is None else count),), chosen)
    listed = labels.tolist() if isinstance(labels, Tensor) else list(labels)
    if count not in (None, len(listed)):
        raise ValueError(f"n is {count} with {len(listed)} labels; allowed: as many, or no n")
    _checked(len(listed))
    return torch.tensor([_index(label, names) for label in listed])


def _checked(count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise ValueError(f"n is {count!r}; allowed: a whole number of at least 1")
    return int(count)


def _index(label: int | str, names: Sequence[str]) -> int:
    if isinstance(label, str):
        return label_of(label, names)
    if not 0 <= label < len(names):
        raise ValueError(f"label is {label}; allowed: 0 to {len(names) - 1}")
    return int(label)
