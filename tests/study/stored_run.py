"""A run on disk with finished trials, and what a folder holds."""

from pathlib import Path

from optuna.samplers import RandomSampler
from small_run import SETTINGS

from diffusion.recipe import Recipe
from study.results.objectives import Scores
from study.run.folder import JOURNAL_NAME
from study.run.settings import save_settings
from study.run.storage import StudyStorage

PACKAGE = b"package"


def begin(folder: Path, recipe: Recipe, scores: list[Scores]) -> Path:
    """Make a run with a trial for each of these scores, and one at work."""
    folder.mkdir()
    save_settings(folder, SETTINGS)
    storage = StudyStorage(folder / JOURNAL_NAME, SETTINGS.objectives)
    for number in range(len(scores) + 1):
        trial = storage.ask(RandomSampler(seed=0))
        changed = recipe.with_changes({"sampling.seed": number})
        storage.accept(trial, changed)
        (folder / "trials" / str(number)).mkdir(parents=True)
        (folder / "trials" / str(number) / "model.pdm").write_bytes(PACKAGE)
    for number, values in enumerate(scores):
        storage.complete(number, values, 1.0)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, with its content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
