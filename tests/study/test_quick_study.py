"""The quick study, run for real: minutes of training, and every promise it makes to a user."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffusion.config import choices
from diffusion.data import load_dataset
from diffusion.recipe import PruneRegion
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.quality import score_images
from diffusion.score.references import References
from search_spaces.knobs import QUANTIZATIONS, TRACKS, WEIGHT_METHODS
from study.engine.knob_sets import model_knobs
from study.results.records import TrialRecord
from study.run.settings import RunSettings
from study.run.storage import StudyStorage

pytestmark = pytest.mark.slow
KNOBS = (
    "compression.quantization",
    "compression.prune_method",
    "compression.prune_region",
    "ema.track",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one quick study."""
    out = tmp_path_factory.mktemp("runs")
    subprocess.run([sys.executable, "-m", "study.search", "--out", str(out)], check=True)
    return out / "quick-001"


@pytest.fixture(scope="module")
def finished(run: Path) -> list[TrialRecord]:
    """The trials that were finished, stopped early or not."""
    storage = StudyStorage(run / "study.journal", RunSettings.load(run).objectives)
    return [record for record in storage.records() if record.finished]


@pytest.fixture(scope="module")
def complete(finished: list[TrialRecord]) -> list[TrialRecord]:
    return [record for record in finished if record.state == "complete"]


@pytest.fixture(scope="module")
def points(run: Path) -> list[dict[str, Any]]:
    front: list[dict[str, Any]] = json.loads((run / "front" / "front.json").read_text())["points"]
    return front


def test_it_covers_what_it_promises(
    finished: list[TrialRecord], complete: list[TrialRecord]
) -> None:
    assert len(finished) == 24
    trained = [record.recipe for record in finished if record.recipe is not None]
    assert len({r.backbone_key for r in trained}) >= 4
    assert {r.network.architecture for r in trained} == {"ncsn", "mini_ddpm"}
    assert {r.network.groups for r in trained} == {1, 2, 4}
    recipes = [record.recipe for record in complete if record.recipe is not None]
    assert len(recipes) >= 16
    # Others are stopped early, or left alone since compressions promise more.
    assert len({r.backbone_key for r in recipes}) >= 2
    # What is tried of the other knobs, screening decides; all levels of them are screened (below).
    assert any(r.compression.quantization == "uniform" for r in recipes)
    assert any(r.compression.finetune_images > 0 for r in recipes)


def test_every_compression_is_screened(complete: list[TrialRecord]) -> None:
    screened = [screening for record in complete for screening in record.screened]
    assert len(screened) > 15 * len(complete)
    levels = {name: {s.knobs.get(name) for s in screened} - {None} for name in KNOBS}
    assert levels["compression.quantization"] == set(QUANTIZATIONS)
    assert levels["compression.prune_method"] == set(WEIGHT_METHODS)
    assert levels["compression.prune_region"] == set(choices(PruneRegion))
    assert levels["ema.track"] == set(TRACKS)
    # The model of a trial is screened beside it, or beside an earlier one that drew otherwise.
    for record in complete:
        model = model_knobs(record.knobs)
        own = next(s for s in screened if model_knobs(s.knobs) == model)
        if own.cool_down_images == 0:
            # The header says how images are drawn: other digits there, no other weights.
            most = 0 if own.knobs == record.knobs else 32
            size_bytes = (record.scores or {})["size_bytes"]
            assert abs(own.scores["size_bytes"] - size_bytes) <= most


def test_each_backbone_is_trained_once(
    run: Path, finished: list[TrialRecord], complete: list[TrialRecord]
) -> None:
    trained = Counter(
        (record.recipe.backbone_key, (record.scores or {})["train_seconds"])
        for record in complete
        if record.recipe is not None
    )
    assert len(trained) == len({key for key, _ in trained}), "two trainings of one backbone"
    kept = {path.name for path in (run / "backbones").iterdir() if path.is_dir()}
    recipes = [record.recipe for record in finished if record.recipe is not None]
    cooled = {r.cool_down_key for r in recipes if r.compression.finetune_images}
    assert kept == {r.backbone_key for r in recipes} | cooled


def test_a_training_that_was_stopped_is_not_on_the_front(
    finished: list[TrialRecord], points: list[dict[str, Any]]
) -> None:
    stopped = [record for record in finished if record.state == "pruned"]
    assert stopped
    for record in stopped:
        assert record.rungs
        assert record.scores is None
        assert record.number not in {point["trial"] for point in points}


def test_the_front_is_long_and_wide(points: list[dict[str, Any]]) -> None:
    sizes = [point["size_bytes"] for point in points]
    assert len(points) >= 4
    assert max(sizes) >= 2 * min(sizes)
    # What the steps, the cool-down and the range coder are for.
    assert min(point["fid"] for point in points if point["size_bytes"] <= 25_000) <= 15
    assert min(point["fid"] for point in points if point["size_bytes"] <= 45_000) <= 10.5


def test_a_trial_stays_within_its_memory(complete: list[TrialRecord]) -> None:
    assert max((record.scores or {})["peak_memory_bytes"] for record in complete) < 2e9


def test_the_digits_are_digits(run: Path, points: list[dict[str, Any]], tmp_path: Path) -> None:
    best = min(points, key=lambda point: point["fid"])
    folder = (run / best["package_path"]).parent
    out = tmp_path / "digits.npz"
    command = [sys.executable, "-m", "study.generate", str(folder), "-n", "1000"]
    subprocess.run([*command, "--out", str(out)], check=True)
    with np.load(out, allow_pickle=False) as archive:
        images, labels = map(torch.from_numpy, (archive["images"], archive["labels"]))
    dataset = load_dataset("mnist5k")
    references = References.of(dataset, build_extractor(dataset.config()))
    scores = score_images(images, labels, references)
    assert scores["label_agreement"] >= 0.9
    assert scores["fid"] <= 0.045 * scores["fid_noise"]
