"""Verified scores stand beside the search's where Optuna's dashboard shows a trial."""

from pathlib import Path

from optuna.samplers import RandomSampler
from small_run import SETTINGS
from small_verification import SEARCHED, fill, scores

from diffusion.recipe import Recipe
from study.run.folder import JOURNAL_NAME
from study.run.opening import open_study
from study.run.run import Run
from study.run.storage import StudyStorage, open_storage
from study.verification.file import Verification
from study.verification.notes import keep_notes
from study.verification.verified import verified_run


def searched(folder: Path, recipe: Recipe) -> tuple[StudyStorage, Verification]:
    """Return a study of four trials in a run's folder, of which nothing is verified."""
    storage = open_storage(folder, SETTINGS)
    for fid, size in SEARCHED:
        trial = storage.ask(RandomSampler(seed=0))
        storage.accept(trial, recipe)
        storage.complete(trial.number, {**scores(fid), "size_bytes": size}, 1.0)
    run = Run(folder, SETTINGS, tuple(storage.records()))
    return storage, Verification(run)


def notes(folder: Path) -> dict[str, str]:
    """Return the texts of all notes, by their attributes' names."""
    study = open_study(folder / JOURNAL_NAME, SETTINGS.objectives)[1]
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: text for name, text in attributes.items() if ":note_str:" in name}


def test_a_verified_trial_has_both_scores(tmp_path: Path, digit_recipe: Recipe) -> None:
    storage, verification = searched(tmp_path, digit_recipe)
    keep_notes(storage, verification.run, verified_run(verification))
    assert notes(tmp_path) == {}
    fill(verification, 0, 15.0, 16.0, 17.0)
    fill(verification, 1, 18.0, 19.0, 20.0)
    fill(verification, 2, 8.0, 8.5, 9.0)
    keep_notes(storage, verification.run, verified_run(verification))
    found = notes(tmp_path)
    assert set(found) == {
        f"dashboard:{place}note_str:0" for place in ("", *(f"{n}:" for n in range(3)))
    }
    first = found["dashboard:0:note_str:0"]
    assert first.startswith("**Verified**: FID 16.0, 95 % ")
    assert "of 3 x 1,000 images; on the front with a probability of " in first
    assert first.endswith("The search had FID 20.0.")
    table = found["dashboard:note_str:0"].splitlines()
    assert table[0].startswith("**Verified**: the front, of 3 x 1,000 images a model.")
    assert [line.split("|")[1].strip() for line in table[4:]] == ["0", "2"]
    assert table[4].endswith("| 20.0 |")
    assert "| 100 B | 16.0 |" in table[4]
    size = (tmp_path / JOURNAL_NAME).stat().st_size
    keep_notes(storage, verification.run, verified_run(verification))
    assert (tmp_path / JOURNAL_NAME).stat().st_size == size


def test_a_trial_that_a_verification_shows_to_be_over_a_limit_says_so(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    storage, verification = searched(tmp_path, digit_recipe)
    for number in (1, 2):
        fill(verification, number, 8.0, 8.5, 9.0)
    noisy = {seed: {**scores(50.0), "fid_noise": 40.0} for seed in (7, 8, 9)}
    verification.point(0).seeds[1_000] = noisy
    keep_notes(storage, verification.run, verified_run(verification))
    text = notes(tmp_path)["dashboard:0:note_str:0"]
    assert "It is left out of the front: fid 50.0 is worse than uniform noise's 40.0." in text
