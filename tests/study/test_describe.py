"""What a recipe is, told before training: true figures, and clear refusals."""

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from drawing_run import make_run
from refusals import Refused
from torch import nn

from diffusion.compress.package import read_package, write_package
from diffusion.compress.uniform import Steps
from diffusion.networks import count_macs, count_parameters
from diffusion.recipe import Recipe
from search_spaces import load_space
from search_spaces.space import SpaceOptions
from study import describe
from study.engine.design import design
from study.evaluation import cost
from study.evaluation.cost import untrained_cost
from study.run.files import write_json

KEYS = ["parameters", "nonzero_parameters", "macs", "size_bytes", "gzip_state_dict_bytes"]
EDM = SpaceOptions()
# Elements of the NCSN's prunable tensors, from the input to the output.
NCSN_TENSORS = (
    *(288, 8192, 32, 18432, 16384, 64, 73728, 32768, 128, 294912, 65536, 256),
    *(294912, 32768, 128, 147456, 16384, 64, 36864, 8192, 32, 576),
)


@pytest.fixture
def recipe_path(digit_recipe: Recipe, tmp_path: Path) -> Path:
    """A recipe where a run keeps it."""
    path = tmp_path / "run" / "trials" / "3" / "recipe.json"
    path.parent.mkdir(parents=True)
    write_json(path, digit_recipe.to_dict())
    return path


@pytest.fixture
def without_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the files out, which take seconds to compress."""
    monkeypatch.setattr(cost, "write_package", lambda *given: 0)
    monkeypatch.setattr(cost, "gzip_state_dict_bytes", lambda *given: 0)


def resolved(out: Path, *arguments: str) -> Recipe:
    """Run the command and return the recipe that it resolved."""
    assert describe.main([*arguments, "--recipe-out", str(out)]) == 0
    return Recipe.from_dict(json.loads(out.read_text()))


def test_the_figures_are_those_of_the_file_that_would_ship(
    recipe_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, state = tmp_path / "kept.pdm", io.BytesIO()

    def write_and_keep(path: Path, recipe: Recipe, network: nn.Module, steps: Steps | None) -> int:
        size = write_package(path, recipe, network, steps)
        shutil.copy(path, kept)
        torch.save(dict(network.state_dict()), state)
        return size

    monkeypatch.setattr(cost, "write_package", write_and_keep)
    assert describe.main([str(recipe_path), "--set", "compression.quantization=none"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == KEYS
    model = read_package(kept)
    parameters, nonzero_parameters = count_parameters(model.network)
    assert printed == {
        "parameters": parameters,
        "nonzero_parameters": nonzero_parameters,
        "macs": count_macs(model.network, model.recipe.data),
        "size_bytes": kept.stat().st_size,
        "gzip_state_dict_bytes": len(gzip.compress(state.getvalue())),
    }
    assert nonzero_parameters < 0.8 * parameters


def test_weights_that_uniform_steps_round_to_zero_are_not_counted(
    digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.pdm"

    def write_and_keep(path: Path, *given: Any) -> int:
        size = write_package(path, *given)
        shutil.copy(path, kept)
        return size

    monkeypatch.setattr(cost, "write_package", write_and_keep)
    costs = [
        untrained_cost(
            digit_recipe.with_changes(
                {"compression.quantization": "uniform", "compression.quantization_step": step}
            )
        )
        for step in (0.1, 2.0)
    ]
    assert costs[1]["nonzero_parameters"] == count_parameters(read_package(kept).network)[1]
    assert costs[1]["nonzero_parameters"] < 0.9 * costs[0]["nonzero_parameters"]
    assert costs[1]["size_bytes"] == kept.stat().st_size < 0.5 * costs[0]["size_bytes"]


def test_a_model_is_described_by_its_own_recipe(
    tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path, refused: Refused
) -> None:
    run = make_run(tmp_path / "run", tiny_recipe, tiny_network)
    for name in ("front/best", "trials/3", "trials/3/model.pdm"):
        assert describe.find_recipe(f"{run}/{name}", EDM).compression.quantization == "none"
    assert "is no model of the front" in refused(lambda: describe.main([f"{run}/front/99"]))


def test_quantization_shrinks_the_file_and_no_count(digit_recipe: Recipe) -> None:
    float32, weights8 = (
        untrained_cost(digit_recipe.with_changes({"compression.quantization": name}))
        for name in ("none", "weights8")
    )
    assert weights8["size_bytes"] < 0.4 * float32["size_bytes"]
    assert weights8["gzip_state_dict_bytes"] < 0.4 * float32["gzip_state_dict_bytes"]
    assert [weights8[name] for name in KEYS[:3]] == [float32[name] for name in KEYS[:3]]


@pytest.mark.parametrize(
    ("row", "pruned"),
    [
        ("base", 0),
        ("L1 10", sum(round(0.1 * n) for n in NCSN_TENSORS)),
        ("L1 70", sum(round(0.7 * n) for n in NCSN_TENSORS)),
        ("rand 30", sum(round(0.3 * n) for n in NCSN_TENSORS)),
        # The middle holds 942,592 of them, the extremes 105,505.
        ("rand 50 middle", 942_592 // 2),
        ("rand 50 extremes", 105_505 // 2),
    ],
)
@pytest.mark.usefixtures("without_files")
def test_nonzero_parameters_of_the_ncsn_follow_from_its_tensors(row: str, pruned: int) -> None:
    found = untrained_cost(describe.find_recipe(f"system-a-ncsn/{row}", EDM))
    assert found["parameters"] == 1_115_297
    assert found["nonzero_parameters"] == 1_115_297 - pruned


@pytest.mark.usefixtures("without_files")
def test_nonzero_parameters_of_the_ddpm_are_exact() -> None:
    found = untrained_cost(describe.find_recipe("system-a-ddpm/2 groups + L1 10", EDM))
    assert found["parameters"] == 14_029_681
    assert found["nonzero_parameters"] == 12_668_288


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("network.groups=4", "network.groups", 4),
        ("network.groups=max", "network.groups", "max"),
        ('network.groups="max"', "network.groups", "max"),
        ("network.widths=[16, 32]", "network.widths", [16, 32]),
        ("network.conditional=false", "network.conditional", False),
        ("training.learning_rate=1e-4", "training.learning_rate", 1e-4),
        ("training.label_dropout=0", "training.label_dropout", 0.0),
        ("data.name=mnist", "data.name", "mnist"),
        ('data.name="5"', "data.name", "5"),
        ("data.name=a=b", "data.name", "a=b"),
    ],
)
@pytest.mark.usefixtures("without_files")
def test_set_changes_one_field(
    text: str, field: str, value: Any, digit_recipe: Recipe, recipe_path: Path, tmp_path: Path
) -> None:
    # Without labels there is no guidance.
    also = ["--set", "sampling.guidance=1"]
    found = resolved(tmp_path / "out.json", str(recipe_path), *also, "--set", text)
    assert found == digit_recipe.with_changes({"sampling.guidance": 1, field: value})
    assert found != digit_recipe.with_changes({"sampling.guidance": 1})


@pytest.mark.usefixtures("without_files")
def test_the_last_of_two_values_of_a_field_holds(recipe_path: Path, tmp_path: Path) -> None:
    texts = ["--set", "network.groups=2", "--set", "network.groups=4"]
    assert resolved(tmp_path / "out.json", str(recipe_path), *texts).network.groups == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "network.groups"], "--set is 'network.groups'; allowed: FIELD=VALUE"),
        (["--set", "network.group=2"], "recipe has no field 'network.group'; allowed: data.name"),
        (["--set", "groups=2"], "recipe has no field 'groups'; allowed: data.name, "),
        (["--set", "=2"], "recipe has no field ''"),
        (["--set", "network=2"], "recipe has no field 'network'"),
        (["--set", "network.groups=0"], "network.groups is 0; allowed: at least 1, or"),
        (["--set", "network.groups=3"], "network.groups is 3"),
        (["--set", "network.groups=2.5"], "network.groups is 2.5; allowed: a whole number or max"),
        (["--set", "network.groups="], "network.groups is ''; allowed: a whole number or max"),
        (["--set", "network.groups=true"], "network.groups is True; allowed: a whole number"),
        (["--set", "network.widths=[]"], "allowed: one or more positive channel counts"),
        (["--set", "network.widths=16"], "network.widths is 16; allowed: a list"),
        (["--set", "network.conditional=no"], "network.conditional is 'no'; allowed: true or"),
        (["--set", "data.name=5"], "data.name is 5; allowed: a text"),
        (["--set", "compression.prune_ratio=1"], "compression.prune_ratio is 1.0; allowed: from"),
        (["--set", "training.learning_rate=NaN"], "training.learning_rate is nan; allowed: a"),
        (["--set", "compression.quantization=int3"], "allowed: none, linear8, linear4, weights8"),
        (["--set", "data.image_size=1"], "data.image_size is 1"),
        (["--set", f"network.widths={'[' * 100_000}"], "network.widths is '[["),
        (["--formulation", "published"], "--formulation is published with"),
        (["--formulation", "edm"], "--formulation is edm with"),
        (["--formulation", "ddpm"], "'ddpm'; allowed: edm, published"),
        (["--recipe-out", "/no/such/folder/recipe.json"], "/no/such/folder/recipe.json"),
    ],
)
@pytest.mark.usefixtures("without_files")
def test_what_is_wrong_is_named_in_one_line(
    arguments: list[str],
    message: str,
    recipe_path: Path,
    refused: Refused,
) -> None:
    line = refused(lambda: describe.main([str(recipe_path), *arguments]))
    assert message.replace("'", "") in line.replace("'", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quick", "recipe is 'quick'; allowed: SPACE/ROW, a file ending in .json, or"),
        ("", "recipe is ''; allowed: SPACE/ROW"),
        ("nope/base", "space is 'nope'; allowed: quick, quick-grid, mnist, images, "),
        ("system-a-ncsn/L2 10", "row is 'L2 10' in space 'system-a-ncsn'; allowed: 'base', "),
        ("system-a-ncsn/", "row is '' in space 'system-a-ncsn'; allowed: 'base', "),
        ("system-a-ncsn/0", "row is '0' in space 'system-a-ncsn'; allowed: 'base', "),
        ("quick/4", "row is '4'; allowed for space 'quick': 0 to 3, of the design of a study"),
        ("quick/-1", "row is '-1'; allowed for space 'quick': 0 to 3"),
        ("quick/base", "row is 'base'; allowed for space 'quick': 0 to 3"),
        ("/no/such/recipe.json", "recipe /no/such/recipe.json cannot be read"),
    ],
)
def test_an_unknown_recipe_is_refused_with_what_is_allowed(
    name: str, message: str, refused: Refused
) -> None:
    assert message in refused(lambda: describe.main([name]))


def test_a_space_without_rows_has_no_published_formulation(
    refused: Refused,
) -> None:
    line = refused(lambda: describe.main(["quick/0", "--formulation", "published"]))
    assert "space 'quick' has no named rows" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "Recipe is []; allowed: an object of its fields"),
        (b"{}", "Recipe lacks ['data', 'network', 'training']"),
        (b'{"data": 3}', "Recipe lacks ['network', 'training']"),
        (b'{"colour": "red"}', "Recipe has no field ['colour']; allowed: ["),
    ],
)
def test_a_damaged_file_is_refused(
    content: bytes, message: str, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "recipe.json"
    path.write_bytes(content)
    assert message in refused(lambda: describe.main([str(path)]))


def test_a_written_recipe_describes_the_same_model(
    recipe_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    changed = ["--set", "network.groups=2", "--set", "compression.prune_ratio=0.5"]
    describe.main([str(recipe_path), *changed, "--recipe-out", str(first)])
    printed = capsys.readouterr().out
    describe.main([str(first), "--recipe-out", str(second)])
    assert capsys.readouterr().out == printed
    assert second.read_text() == first.read_text()


@pytest.mark.usefixtures("without_files")
def test_nothing_is_written_for_a_recipe_that_cannot_be_built(
    recipe_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    with pytest.raises(ValueError, match=r"network\.groups is 3"):
        resolved(out, str(recipe_path), "--set", "network.groups=3")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "formulation", "train_images"),
    [
        ([], "edm", 300_000),
        (["--formulation", "edm"], "edm", 300_000),
        (["--formulation", "published"], "score_matching", 3_000_000),
    ],
)
@pytest.mark.usefixtures("without_files")
def test_the_formulation_is_that_of_the_rows(
    arguments: list[str], formulation: str, train_images: int, tmp_path: Path
) -> None:
    training = resolved(tmp_path / "out.json", "system-a-ncsn/base", *arguments).training
    assert (training.formulation, training.train_images) == (formulation, train_images)


@pytest.mark.parametrize(
    "name", ["2 groups + L1 10", "2-groups-l1-10", "4 group + L1 30", "4-GROUP-L1-30"]
)
def test_a_row_is_found_by_name_and_alias(name: str) -> None:
    space = load_space("system-a-ddpm")
    expected = space.recipe({"row": "2 groups + L1 10"}, describe.DEFAULT_DATA)
    assert describe.find_recipe(f"system-a-ddpm/{name}", EDM) == expected


def test_a_design_s_rows_are_found_by_number() -> None:
    space, data = load_space("quick"), describe.DEFAULT_DATA
    rows = design(space, data, 0, space.trials, screens=True)
    for number, row in enumerate(rows):
        assert describe.find_recipe(f"quick/{number}", EDM) == space.recipe(row, data)
