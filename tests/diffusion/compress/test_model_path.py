"""Models are found by the names that a front gives them, and no index leads elsewhere."""

import json
from pathlib import Path

import pytest

from diffusion.compress.model_path import model_file
from diffusion.compress.package import PACKAGE_NAME, read_package, write_package
from diffusion.errors import LONGEST_LINE, PackageError, PackageUnreachable

POINTS = (("01-16", 57.3, 11_900), ("02-8", 7.5, 16_900), ("03-10", 7.9, 19_000))


@pytest.fixture
def front(tmp_path):
    """The folder of a front whose second model is the best one."""
    folder = tmp_path / "run" / "front"
    for name, _, _ in POINTS:
        (folder / name).mkdir(parents=True)
        (folder / name / PACKAGE_NAME).write_text(name)
    write_index(folder, [point(*values) for values in POINTS])
    return folder


def point(name, fid, size_bytes):
    return {"package_path": f"front/{name}/{PACKAGE_NAME}", "fid": fid, "size_bytes": size_bytes}


def write_index(folder, points):
    (folder / "front.json").write_text(json.dumps({"run": "run", "points": points}))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("best", "02-8"),
        ("smallest", "01-16"),
        ("pick", "02-8"),
        ("1", "01-16"),
        ("03", "03-10"),
        ("003", "03-10"),
        ("03-10", "03-10"),
        (f"03-10/{PACKAGE_NAME}", "03-10"),
    ],
)
def test_names_lead_to_models(front, name, found):
    assert model_file(front / name, PACKAGE_NAME).read_text() == found


def test_another_file_of_a_model_is_found_as_its_package_is(front):
    assert model_file(front / "best", "recipe.json") == front / "02-8" / "recipe.json"


@pytest.mark.parametrize("name", ["05-25", "4", "0", "bets", "..-1", "16", "9" * 20])
def test_a_name_that_means_no_model_is_refused_with_those_that_do(front, name):
    with pytest.raises(PackageUnreachable, match="is no model of the front") as error:
        model_file(front / name, PACKAGE_NAME)
    assert "best, smallest, pick, a rank like 01, or 01-16, 02-8, 03-10" in str(error.value)
    assert len(str(error.value)) <= LONGEST_LINE


@pytest.mark.parametrize("path", [".", "..", "../best"])
def test_a_run_and_its_front_are_no_model(front, path):
    with pytest.raises(PackageUnreachable, match=r"allowed: .* like .*front/best"):
        model_file(front / path, PACKAGE_NAME)


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[1]",
        b"[" * 100_000,
        b'{"points": 3}',
        b'{"points": [null]}',
        b'{"points": [{"package_path": "front/01-1/model.pdm", "fid": "x", "size_bytes": 1}]}',
        b'{"points": [{"package_path": "front/01-1/model.pdm", "fid": NaN, "size_bytes": 1}]}',
        b'{"points": [{"package_path": "../../secret/model.pdm", "fid": 1, "size_bytes": 1}]}',
        b'{"points": [{"package_path": "..", "fid": 1, "size_bytes": 1}]}',
    ],
)
def test_a_damaged_index_is_refused_by_name(front, index):
    (front / "front.json").write_bytes(index)
    with pytest.raises(PackageUnreachable, match="as the index of a front: ") as error:
        model_file(front / "best", PACKAGE_NAME)
    assert "front.json" in str(error.value)


def test_an_empty_front_says_so(front):
    write_index(front, [])
    with pytest.raises(PackageUnreachable, match="the front, which is empty"):
        model_file(front / "best", PACKAGE_NAME)


def test_a_folder_and_a_name_are_read_as_a_package(front, tiny_recipe, tiny_network):
    write_package(front / "02-8" / PACKAGE_NAME, tiny_recipe, tiny_network)
    for path in (front / "best", str(front / "02-8"), front / "02-8" / PACKAGE_NAME):
        assert read_package(path).recipe == tiny_recipe


@pytest.mark.parametrize("name", ["n" * 300, "a\0b"])
def test_a_path_that_the_system_refuses_is_no_package(name, tmp_path):
    with pytest.raises(PackageError):
        read_package(tmp_path / name)


def test_without_a_front_a_path_is_what_it_is(tmp_path):
    missing = tmp_path / "nothing" / "best"
    assert model_file(missing, PACKAGE_NAME) == missing
    assert model_file(str(tmp_path), PACKAGE_NAME) == Path(tmp_path) / PACKAGE_NAME
