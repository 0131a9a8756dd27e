"""Classes are asked for by their names, and by their labels where no name is a number."""

import json
from dataclasses import replace

import pytest

from diffusion.class_names import KNOWN, class_names, label_of
from diffusion.data import load_dataset


def test_the_names_beside_a_model_are_its_classes(tiny_data, tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(["dog", "cow", "cat"]))
    assert class_names(tiny_data, path) == ("dog", "cow", "cat")


@pytest.mark.parametrize("name", KNOWN)
def test_a_published_set_has_names_without_a_file(name, tiny_data, tmp_path):
    data = replace(tiny_data, name=name, num_classes=10)
    assert class_names(data, tmp_path / "classes.json") == KNOWN[name]


def test_the_known_names_are_those_of_the_data():
    assert load_dataset("mnist").class_names == KNOWN["mnist"]


def test_unknown_names_are_numbers(tiny_data, tmp_path):
    assert class_names(tiny_data, tmp_path / "classes.json") == ("0", "1", "2")
    other = replace(tiny_data, name="mnist")  # of three classes: not the set that we know
    assert class_names(other, tmp_path / "classes.json") == ("0", "1", "2")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'["a", "b"]', b'["a", "b", 3]', b'["a", "a", "b"]', b"[" * 100_000]
)
def test_damaged_names_are_refused_by_their_file(content, tiny_data, tmp_path):
    path = tmp_path / "classes.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"classes.*classes\.json"):
        class_names(tiny_data, path)


@pytest.mark.parametrize(
    ("name", "names", "label"),
    [
        ("cat", ("dog", "cat"), 1),
        ("1", ("dog", "cat"), 1),
        ("2", ("1", "2", "3"), 1),
        ("7", tuple("0123456789"), 7),
        ("3", ("0 - zero", "1 - one", "2 - two", "3 - three"), 3),
    ],
)
def test_a_class_is_found_by_its_name_first(name, names, label):
    assert label_of(name, names) == label


@pytest.mark.parametrize(
    ("name", "names", "allowed"),
    [
        ("cow", ("dog", "cat"), "dog, cat, 0 to 1"),
        ("2", ("dog", "cat"), "dog, cat, 0 to 1"),
        ("0", ("1", "2"), "1, 2"),
        ("-1", ("dog", "cat"), "dog, cat, 0 to 1"),
        ("9" * 5_000, ("dog",), "dog, 0 to 0"),
    ],
)
def test_a_class_that_is_not_there_is_refused(name, names, allowed):
    with pytest.raises(ValueError, match="label is") as error:
        label_of(name, names)
    assert str(error.value).endswith(f"allowed: {allowed}")
