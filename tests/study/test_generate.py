"""Images from a model file: what is written appears whole, in place of what was there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing_run import CLASSES, make_run
from PIL import Image
from torch import nn

from diffusion.compress.package import write_package
from diffusion.recipe import Recipe
from study import generate
from study.display import samples
from study.run.files import write_json


@pytest.fixture
def package(tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path) -> Path:
    """A model file of the tiny network, in a folder of its own."""
    path = tmp_path / "model" / "model.pdm"
    path.parent.mkdir()
    write_package(path, tiny_recipe, tiny_network)
    return path


@pytest.mark.parametrize("name", ["digits.npz", "grid.png"])
def test_an_archive_or_picture_replaces_a_link_as_a_whole(
    name: str, package: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / name
    out.parent.mkdir()
    (tmp_path / "outside").write_text("mine")
    out.symlink_to(tmp_path / "outside")
    assert generate.main([str(package.parent), "-n", "6", "--out", str(out)]) == 0
    assert (tmp_path / "outside").read_text() == "mine"
    assert [path.name for path in out.parent.iterdir()] == [name]
    if name == "digits.npz":
        with np.load(out, allow_pickle=False) as archive:
            assert archive["images"].shape == (6, 1, 8, 8)
            assert archive["labels"].tolist() == [0, 1, 2, 0, 1, 2]
    else:
        with Image.open(out) as picture:
            assert picture.format == "PNG"


def test_a_full_disk_leaves_no_half_of_an_archive(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(samples, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        generate.main([str(package), "-n", "2", "--out", str(tmp_path / "digits.npz")])
    assert not (tmp_path / "digits.npz").exists()


@pytest.mark.parametrize(("label", "expected"), [("cat", 2), ("1", 1), ("<b>cow</b>", 1)])
def test_a_class_is_asked_for_by_its_name(
    label: str, expected: int, package: Path, tmp_path: Path
) -> None:
    write_json(package.with_name("classes.json"), CLASSES)
    out = tmp_path / "drawn.npz"
    assert generate.main([str(package), "-n", "3", "--label", label, "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as archive:
        assert archive["labels"].tolist() == [expected] * 3


def test_a_model_is_named_by_its_front(
    tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path
) -> None:
    run, drawn = make_run(tmp_path / "run", tiny_recipe, tiny_network), {}
    for name in ("best", "03", "03-3", "smallest"):
        out = tmp_path / f"{name}.npz"
        assert generate.main([f"{run}/front/{name}", "-n", "3", "--out", str(out)]) == 0
        with np.load(out, allow_pickle=False) as archive:
            drawn[name] = archive["images"].tobytes()
    assert drawn["best"] == drawn["03"] == drawn["03-3"] != drawn["smallest"]


@pytest.mark.parametrize("name", ["", "front/best", "nope.pdm", "n" * 300])
def test_a_model_that_is_missing_is_refused_with_what_is_allowed(
    name: str, tmp_path: Path, refused: Callable[[Callable[[], int]], str]
) -> None:
    out = str(tmp_path / "grid.png")
    line = refused(lambda: generate.main([str(tmp_path / name), "--out", out]))
    assert line.endswith(
        "is missing; allowed: RUN/front/best, RUN/trials/NUMBER, or the path of a model.pdm"
    )
    assert line.startswith(f"error: model {tmp_path}")


def test_one_image_is_one_image(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate.main([str(package), "-n", "1", "--out", str(tmp_path / "grid.png")])
    assert capsys.readouterr().out.strip().startswith("1 image in ")


def test_the_bounds_themselves_are_allowed() -> None:
    options = ["--steps", "10000", "-n", "100000", "--guidance", "100"]
    options += ["--guidance-sigma-min", "0", "--guidance-sigma-max", "1000"]
    given = generate.build_parser().parse_args(["model.pdm", "--out", "g.png", *options])
    assert (given.steps, given.num_images, given.guidance) == (10_000, 100_000, 100)
    assert (given.guidance_sigma_min, given.guidance_sigma_max) == (0, 1_000)


def test_guidance_can_be_kept_to_an_interval(package: Path, tmp_path: Path) -> None:
    def drawn(*options: str) -> bytes:
        out = tmp_path / "drawn.npz"
        assert generate.main([str(package), "-n", "6", "--out", str(out), *options]) == 0
        with np.load(out, allow_pickle=False) as archive:
            return bytes(archive["images"].tobytes())

    plain, guided = drawn("--guidance", "1"), drawn("--guidance", "3")
    assert drawn("--guidance", "3", "--guidance-sigma-min", "999") == plain
    assert drawn("--guidance", "3", "--guidance-sigma-max", "0") == plain
    assert guided not in (plain, drawn("--guidance", "3", "--guidance-sigma-max", "1"))
