"""The search's options: what a new run is made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from refusals import Refused
from resolved_settings import new, resumed

from benchmarks.hand_made import HAND_MADE
from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.inception import InceptionExtractor
from study.cli.parser import AUTO
from study.cli.resolve import new_settings
from study.cli.search_options import build_parser
from study.engine.design import design
from study.evaluation.context import RunContext
from study.results.objectives import aims
from study.search import main as search

pytestmark = pytest.mark.usefixtures("one_dataset")


def test_a_run_is_the_space_as_it_is_unless_told() -> None:
    settings = new()
    assert (settings.train_images, settings.formulation, settings.rows) == (None, "edm", ())
    assert (settings.space, settings.trials, settings.extractor) == ("quick", 24, None)


def test_a_run_reuses_stops_early_and_retries_unless_told() -> None:
    settings = new()
    assert (settings.reuse, settings.early_stopping) == (True, True)
    assert (settings.limits, settings.train_images_total, settings.retries) == ({}, None, 2)
    told = new("--no-reuse", "--no-early-stopping", "--retries", "0")
    assert (told.reuse, told.early_stopping) == (False, False)
    assert told.retries == 0


def test_named_rows_are_never_stopped_early() -> None:
    assert not new("--space", "system-b-mini").early_stopping


@pytest.mark.parametrize(
    ("text", "value"), [("250000", 250_000), ("500k", 500_000), ("1.5M", 1_500_000), ("2G", 2e9)]
)
def test_amounts_may_have_a_unit(text: str, value: float) -> None:
    limits = new("--max", f"size_bytes={text}", "--max", "latency_ms=2.5").limits
    assert limits == {"size_bytes": value, "latency_ms": 2.5}
    total = new("--train-images-total", text).train_images_total
    assert total == value
    assert isinstance(total, int)


def test_scores_of_either_direction_can_be_objectives() -> None:
    names = ["fid", "size_bytes", "label_agreement", "precision", "recall"]
    settings = new(*(word for name in names for word in ("--objective", name)))
    assert settings.objectives == tuple(names)
    assert aims(settings.objectives) == (
        "minimising fid and size_bytes, maximising label_agreement, precision and recall"
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--extractor", "inception"], "extractor 'inception' does not know the labels of 'mni"),
        (["--dataset", "fashion-mnist"], "extractor 'digits' does not know the labels of 'fashi"),
        (["--space", "system-a-ncsn"], "the networks of space 'system-a-ncsn' take no labels"),
        (["--space", "system-b-mini", "--formulation", "published"], "system-b-mini' take no la"),
    ],
)
def test_label_agreement_is_refused_as_an_objective_that_no_trial_could_have(
    arguments: list[str],
    why: str,
    mnist5k: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    refused: Refused,
) -> None:
    def load(name: str, data_dir: Path | None, download: bool) -> ImageDataset:
        return replace(mnist5k, name=name)

    def build(data: DataConfig, choice: ExtractorChoice | None, names: Any) -> FeatureExtractor:
        # Without its weights, which nothing here needs.
        return object.__new__(InceptionExtractor) if choice else build_extractor(data, None, names)

    monkeypatch.setattr("study.cli.resolve.load_dataset", load)
    monkeypatch.setattr("study.cli.scorable.build_extractor", build)
    asked = ["--out", str(tmp_path), "--objective", "size_bytes", "--objective", "label_agreement"]
    line = refused(lambda: search([*asked, *arguments]))
    assert "--objective, --max or --min is of 'label_agreement', but " in line
    assert why in line
    assert "; allowed: fid, fid_held_out, " in line
    assert "label_agreement" not in line.partition("allowed: ")[2]
    assert list(tmp_path.iterdir()) == []


def test_a_row_may_be_given_again_for_more() -> None:
    settings = new("--space", "system-a-ncsn", "--row", "L1 30", "--row", "base", "--row", "l1-30")
    assert settings.rows == ("L1 30", "base", "l1-30")
    assert settings.trials == 2, "the same row twice is one"
    names = [knobs["row"] for knobs in settings.load_space().covering]
    assert names == ["base", "L1 30"], "in the published order"


@pytest.mark.parametrize(("space", "rows"), [("system-a-ddpm", 21), ("system-b-mini", 4)])
def test_without_rows_all_are_tried(space: str, rows: int) -> None:
    assert new("--space", space).trials == rows


@pytest.mark.parametrize("space", ["quick", "mnist", "system-a-ncsn"])
def test_train_images_reach_every_recipe(space: str) -> None:
    settings = new("--space", space, "--train-images", "777")
    resolved, data = settings.load_space(), DataConfig.from_dict(settings.data)
    rows = resolved.covering or design(resolved, data, 0, 24, screens=True)
    lengths = {resolved.recipe(row, data).training.train_images for row in rows}
    assert lengths == {777}


def test_the_full_published_budget_is_one_option() -> None:
    settings = new("--space", "system-a-ncsn", "--formulation", "published")
    space, data = settings.load_space(), DataConfig.from_dict(settings.data)
    recipes = [space.recipe(row, data) for row in space.covering]
    assert {recipe.training.train_images for recipe in recipes} == {3_000_000}
    assert {recipe.training.formulation for recipe in recipes} == {"score_matching"}


@pytest.mark.parametrize(
    ("arguments", "trained", "drawn"),
    [
        ([], None, AUTO),
        (["--precision", "float32"], "float32", None),
        (["--space", "system-b-mini"], None, None),
        (["--space", "system-b-mini", "--precision", "bf16"], "bf16", None),
        (["--space", "system-b-mini", "--precision", "auto"], None, AUTO),
    ],
)
def test_named_rows_keep_their_precision_unless_asked(
    arguments: list[str], trained: str | None, drawn: str | None
) -> None:
    wanted = new_settings(build_parser("").parse_args(arguments))
    assert (wanted["precision"], wanted["drawing_precision"]) == (trained, drawn)


def test_a_run_s_space_has_its_precisions() -> None:
    for begun, trained in ((new("--precision", "bf16"), "bf16"), (new(), "float32")):
        recipe = begun.load_space().recipe(HAND_MADE[0], DataConfig.from_dict(begun.data))
        assert (recipe.training.precision, recipe.drawing_precision) == (trained, "bf16")


def test_backbones_lie_in_the_run_unless_a_store_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shared = tmp_path / "run", tmp_path / "shared"
    assert RunContext.of(run, new()).store_dir == run / "backbones"
    monkeypatch.chdir(tmp_path)
    begun = new("--store", "shared")
    assert RunContext.of(run, begun).store_dir == shared
    assert resumed(begun).store == str(shared)
    assert resumed(begun, "--store", str(tmp_path / "moved")).store == str(tmp_path / "moved")


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=f"store {file} is a file; allowed: a folder"):
        new("--store", str(file))


def test_a_floor_is_a_limit_of_the_run() -> None:
    given = ["--min", "label_agreement=0.9", "--min", "size_bytes=10KB", "--max", "size_bytes=1MB"]
    assert new(*given).limits == {
        "size_bytes": 1e6,
        "min label_agreement": 0.9,
        "min size_bytes": 10e3,
    }
