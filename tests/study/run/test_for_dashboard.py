"""What Optuna's dashboard is to show is kept as Optuna has it."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from small_pictures import write_picture
from small_run import SETTINGS

from diffusion.recipe import Recipe
from study.results.objectives import Scores
from study.results.words import name_recipe
from study.run.folder import JOURNAL_NAME
from study.run.for_dashboard import CHUNK, MARKER, note
from study.run.journal_file import Journal
from study.run.mirrored_files import all_files
from study.run.opening import open_study
from study.run.storage import StudyStorage, open_storage

SCORES: Scores = {
    "fid": 12.34,
    "fid_low": 11.0,
    "fid_high": 14.0,
    "fid_num_images": 1_500,
    "fid_noise": 600.0,
    "size_bytes": 900,
    "latency_ms": 2.5,
    "macs": None,
}


def ended(run_dir: Path, recipe: Recipe, **scores: object) -> FrozenTrial:
    """Return a trial of a run as the dashboard sees it once it is complete."""
    storage = open_storage(run_dir, SETTINGS)
    trial = storage.ask(RandomSampler(seed=0))
    storage.accept(trial, recipe)
    storage.complete(trial.number, {**SCORES, **scores}, 1.5)
    return open_study(run_dir / JOURNAL_NAME, SETTINGS.objectives)[1].get_trials()[-1]


def test_a_trial_s_figures_can_be_read_and_sorted_by(tmp_path: Path, digit_recipe: Recipe) -> None:
    assert ended(tmp_path, digit_recipe).user_attrs == {
        "model": name_recipe(digit_recipe),
        "search": "FID 12.3, 95 % 11.0-14.0, of 1,500 images",
        "latency_ms": 2.5,
        "wall_seconds": 1.5,
    }


def test_objectives_have_names_that_tell_what_a_verification_draws_again(tmp_path: Path) -> None:
    StudyStorage(tmp_path / JOURNAL_NAME, SETTINGS.objectives)  # as a run of before
    open_storage(tmp_path, SETTINGS)
    _, study = open_study(tmp_path / JOURNAL_NAME, SETTINGS.objectives)
    assert study.metric_names == ["fid (search)", "size_bytes"]
    open_storage(tmp_path, SETTINGS)
    assert (tmp_path / JOURNAL_NAME).read_text().count("metric_names") == 1


def test_what_is_over_a_limit_has_figures_but_no_values(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    good, over = ended(tmp_path, digit_recipe), ended(tmp_path, digit_recipe, fid=750.0)
    assert (good.state, good.values) == (TrialState.COMPLETE, [12.34, 900.0])
    assert (over.state, over.values) == (TrialState.PRUNED, None)
    assert (over.user_attrs["fid"], over.user_attrs["size_bytes"]) == (750.0, 900)
    assert over.user_attrs["reason"] == "fid 750.0 is worse than uniform noise's 600.0"
    (_, record) = open_storage(tmp_path, SETTINGS).records()
    assert (record.state, record.feasible, record.outcome) == ("complete", False, "over a limit")
    assert record.scores == {**SCORES, "fid": 750.0}
    assert record.finished


@pytest.mark.parametrize("links", [True, False])
def test_a_sample_grid_is_an_artifact_of_its_trial(
    links: bool, tmp_path: Path, digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *names: (tmp_path / "missing").stat())
    picture = tmp_path / "trials/0/samples.png"
    write_picture(picture)
    trial = ended(tmp_path, digit_recipe)
    (meta,) = get_all_artifact_meta(trial, storage=Journal(tmp_path / JOURNAL_NAME))
    assert (meta.filename, meta.mimetype) == ("samples.png", "image/png")
    store = FileSystemArtifactStore(tmp_path / "artifacts")
    with store.open_reader(meta.artifact_id) as file:
        assert file.read() == picture.read_bytes()
    assert (picture.stat().st_nlink == 2) == links


def test_a_mirror_has_each_picture_once_and_a_run_of_it_finds_them_again(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    write_picture(tmp_path / "trials/0/samples.png")
    ended(tmp_path, digit_recipe)
    assert all_files(tmp_path) == ["trials/0/samples.png"]
    shutil.rmtree(tmp_path / "artifacts")
    open_storage(tmp_path, SETTINGS)
    artifact = tmp_path / "artifacts/0"
    assert artifact.read_bytes() == (tmp_path / "trials/0/samples.png").read_bytes()


@pytest.mark.parametrize("target", [None, "/dev/zero"])
def test_a_picture_that_is_missing_or_a_link_is_none(
    target: str | None, tmp_path: Path, digit_recipe: Recipe
) -> None:
    (tmp_path / "trials/0").mkdir(parents=True)
    if target is not None:
        (tmp_path / "trials/0/samples.png").symlink_to(target)
    trial = ended(tmp_path, digit_recipe)
    assert get_all_artifact_meta(trial, storage=Journal(tmp_path / JOURNAL_NAME)) == []
    assert not (tmp_path / "artifacts").exists()


def body(attributes: dict[str, object], prefix: str) -> str:
    """Return a note as the dashboard puts it together."""
    names = [name for name in attributes if name.startswith(f"{prefix}:note_str:")]
    return "".join(str(attributes[f"{prefix}:note_str:{place}"]) for place in range(len(names)))


@given(st.lists(st.integers(0, 3 * CHUNK), min_size=1, max_size=4), st.sampled_from([None, 7]))
def test_a_note_is_the_last_one_that_was_written(lengths: list[int], trial_id: int | None) -> None:
    attributes: dict[str, object] = {}
    for length in lengths:
        text = MARKER + "x" * length
        attributes |= note(attributes, trial_id, text)
        assert body(attributes, "dashboard" if trial_id is None else "dashboard:7") == text
        assert note(attributes, trial_id, text) == {}


def test_a_person_s_note_stays() -> None:
    mine = {"dashboard:7:note_ver": 3, "dashboard:7:note_str:0": "I like this one"}
    assert note(mine, 7, MARKER) == {}
    assert note(mine, 8, MARKER) == {
        "dashboard:8:note_ver": 1,
        "dashboard:8:note_str:0": MARKER,
    }
