"""What a study's storage keeps for Optuna's dashboard, which reads it as it is.

The dashboard shows objectives by their names, user attributes, notes and pictures. Its best trials
are all that are complete and that none dominates, whatever they violate.
"""

import json
import mimetypes
import os
import shutil
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import ArtifactMeta
from optuna.trial import FrozenTrial

from study.results.objectives import Scores
from study.results.screenings import EXACT
from study.results.words import format_figure

ARTIFACTS = "artifacts"  # folder of the pictures, each by its trial's number
PICTURE = "samples.png"
MARKER = "**Verified**"  # how our notes begin; those that a person wrote stay
CHUNK = 2_000  # characters of a note in one attribute
# What is worth to sort trials by, besides the objectives.
FIGURES = ("fid_held_out", "label_agreement", "latency_ms")


def readable(scores: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return those of a trial's scores that have one of these names, and its FID in words."""
    known = {name: scores[name] for name in names if isinstance(scores.get(name), int | float)}
    figures = {name: v if isinstance(v, int) else float(f"{v:.6g}") for name, v in known.items()}
    if scores.get("fid") is None:
        return figures
    low, high = (format_figure(scores.get(name), ".1f") for name in ("fid_low", "fid_high"))
    images = format_figure(scores.get("fid_num_images"), ",")
    return {
        "search": f"FID {scores['fid']:.1f}, 95 % {low}-{high}, of {images} images",
        **figures,
    }


class Pictures:
    """The trials' sample grids as Optuna's artifacts: links in one folder to what trials left."""

    def __init__(self, run_dir: Path) -> None:
        self._trials, self._folder = run_dir / "trials", run_dir / ARTIFACTS

    def keep(self, number: int) -> dict[str, str]:
        """Take in a trial's picture; return the attribute that leads to it, if there is one.

        Raises:
            OSError: the disk is full.
        """
        if not self._link(number):
            return {}
        kind, encoding = mimetypes.guess_type(PICTURE)
        meta = ArtifactMeta(str(number), PICTURE, kind or "", encoding)
        return {f"{ARTIFACTS}:{number}": json.dumps(asdict(meta))}

    def restore(self, trials: Iterable[FrozenTrial]) -> None:
        """Take in the pictures again that are missing, as in a run that a mirror had."""
        for trial in trials:
            if f"{ARTIFACTS}:{trial.number}" in trial.system_attrs:
                self._link(trial.number)

    def _link(self, number: int) -> bool:
        """Give a trial's picture its second name, or where the disk knows no such, copy it."""
        source, artifact = self._trials / str(number) / PICTURE, self._folder / str(number)
        if source.parent.is_symlink() or source.is_symlink() or not source.is_file():
            return False
        if not os.path.lexists(artifact):
            self._folder.mkdir(exist_ok=True)
            try:
                os.link(source, artifact)
            except OSError:
                shutil.copyfile(source, artifact)
        return True


class Dashboard:
    """Writes what the dashboard shows of one study."""

    def __init__(
        self, study: optuna.Study, objectives: tuple[str, ...], pictures: Pictures | None
    ) -> None:
        """Name the study's objectives where they have no names yet, and find its pictures.

        Args:
            study: to be shown.
            objectives: of the study.
            pictures: of its trials; None for a study that is not written in a run's folder, which
                stays as it is.
        """
        self._study, self._objectives, self._pictures = study, objectives, pictures
        names = [name if name in EXACT else f"{name} (search)" for name in objectives]
        if pictures is None:
            return
        pictures.restore(study.get_trials(deepcopy=False))
        if study.metric_names != names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(names)

    def show(self, trial: FrozenTrial, scores: Scores, *, is_over: bool) -> None:
        """Show a trial's main figures and its picture.

        Args:
            trial: about to end with the scores.
            is_over: whether they are over a limit, so that the objectives are none of its values.
        """
        objectives = self._objectives
        names = [name for name in FIGURES if name not in objectives]
        for name, value in readable(scores, [*names, *(objectives if is_over else ())]).items():
            self._study._storage.set_trial_user_attr(trial._trial_id, name, value)
        links = {} if self._pictures is None else self._pictures.keep(trial.number)
        for name, value in links.items():
            self._study._storage.set_trial_system_attr(trial._trial_id, name, value)

    def note(self, trial_id: int | None, text: str) -> None:
        """Show a text on a trial's page, or on the study's for None, unless a person wrote one."""
        storage, study_id = self._study._storage, self._study._study_id
        known = storage.get_study_system_attrs(study_id)
        for name, value in note(known, trial_id, text).items():
            storage.set_study_system_attr(study_id, name, value)


def note(known: Mapping[str, Any], trial_id: int | None, text: str) -> dict[str, Any]:
    """Return the study's attributes that hold a note, unless it is there, or a person's own.

    Args:
        known: the study's system attributes.
        trial_id: in the storage; None for a note on the study itself.
        text: in Markdown, which begins with our marker.
    """
    prefix = "dashboard" if trial_id is None else f"dashboard:{trial_id}"
    names = [f"{prefix}:note_str:{number}" for number in range(1 + len(text) // CHUNK)]
    while (name := f"{prefix}:note_str:{len(names)}") in known:
        names.append(name)
    before = "".join(known.get(name, "") for name in names)
    if text == before or not (before == "" or before.startswith(MARKER)):
        return {}
    chunks = {name: text[CHUNK * place :][:CHUNK] for place, name in enumerate(names)}
    return {f"{prefix}:note_ver": known.get(f"{prefix}:note_ver", 0) + 1, **chunks}
