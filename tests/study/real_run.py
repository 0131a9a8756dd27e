"""A run of a few trials that were trained, compressed and scored for real, in seconds."""

from dataclasses import replace
from pathlib import Path

import optuna
from small_run import SETTINGS

from diffusion.recipe import Recipe
from study.evaluation.context import RunContext, TrialContext
from study.run.folder import JOURNAL_NAME
from study.run.run import Run
from study.run.settings import save_settings
from study.run.storage import StudyStorage
from study.trial import evaluate
from study.verification.ending import write_run

# Of one training: the later ones are smaller and worse.
COMPRESSIONS = (
    {"compression.quantization": "none"},
    {"compression.quantization": "weights8"},
    {"compression.quantization": "uniform", "compression.quantization_step": 1.0},
)


def make_real_run(folder: Path, recipe: Recipe) -> Path:
    """Write a run whose trials differ in their compression, with its front.

    Args:
        folder: of the run, which is made.
        recipe: of all trials but for their compression.
    """
    folder.mkdir(parents=True)
    settings = replace(SETTINGS, data=dict(vars(recipe.data)), fid_num_images=120, trials=3)
    save_settings(folder, settings)
    storage = StudyStorage(folder / JOURNAL_NAME, settings.objectives)
    context = RunContext.of(folder, settings)
    for changes in COMPRESSIONS:
        trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
        changed = recipe.with_changes(changes)
        storage.accept(trial, changed)
        number = str(trial.number)
        scores = evaluate(changed, TrialContext(context, context.trials_dir / number))
        storage.complete(trial.number, scores, 1.5)
    write_run(Run.read(folder))
    return folder
