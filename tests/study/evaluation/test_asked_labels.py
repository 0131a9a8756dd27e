"""Labels of the images that are asked for: all in turn, one class, or one for each image."""

import pytest
import torch

from study.evaluation.asked_labels import DEFAULT_COUNT, Labels, asked_labels

NAMES = ("dog", "cow", "cat")


@pytest.mark.parametrize(
    ("count", "labels", "expected"),
    [
        (5, None, [0, 1, 2, 0, 1]),
        (2, "cat", [2, 2]),
        (2, 1, [1, 1]),
        (2, "1", [1, 1]),
        (None, ["cat", 0], [2, 0]),
        (2, ("cow", "dog"), [1, 0]),
        (None, torch.tensor([2, 1]), [2, 1]),
        (None, range(3), [0, 1, 2]),
    ],
)
def test_labels_are_those_of_the_classes(
    count: int | None, labels: Labels, expected: list[int]
) -> None:
    asked = asked_labels(count, labels, NAMES, conditional=True)
    assert asked.dtype == torch.int64
    assert asked.tolist() == expected


def test_without_a_count_there_are_64() -> None:
    assert len(asked_labels(None, None, NAMES, conditional=True)) == DEFAULT_COUNT == 64
    assert len(asked_labels(None, "cat", NAMES, conditional=True)) == 64


@pytest.mark.parametrize(
    ("count", "labels", "conditional", "message"),
    [
        (0, None, True, "n is 0; allowed: a whole number of at least 1"),
        (2.5, None, True, r"n is 2\.5; allowed"),
        (True, None, True, "n is True; allowed"),
        (None, [], True, "n is 0; allowed"),
        (3, [0], True, "n is 3 with 1 labels; allowed: as many, or no n"),
        (1, 3, True, "label is 3; allowed: 0 to 2"),
        (1, -1, True, "label is -1; allowed: 0 to 2"),
        (1, "horse", True, "label is 'horse'; allowed: dog, cow, cat, 0 to 2"),
        (1, 0, False, "label is 0, but the model was trained without labels"),
        (1, [0], False, r"label is \[0\], but the model was trained without labels"),
    ],
)
def test_what_no_image_can_be_asked_for_is_refused(
    count: int | None, labels: Labels, conditional: bool, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        asked_labels(count, labels, NAMES, conditional=conditional)


def test_a_model_without_labels_draws_any() -> None:
    assert asked_labels(4, None, NAMES, conditional=False).tolist() == [0, 1, 2, 0]
