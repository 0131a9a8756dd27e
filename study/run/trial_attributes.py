"""What the journal keeps of a trial beside Optuna's own, checked as it is read.

The journal is a file that anything may have happened to: what is not as we write it is said with
the journal's name and the trial's number, before anybody reckons with it. Objects, which programs
read, are system attributes; what a dashboard shows to people are user attributes, which held
everything in the runs of before.
"""

import math
import reprlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from diffusion.config import checked
from diffusion.errors import one_line
from diffusion.recipe import Recipe
from study.results.objectives import OBJECTIVES, Scores, objective_values
from study.results.rows import LATER_SCORE_COLUMNS, SCORE_COLUMNS
from study.results.screenings import SCALARS, Screening

OURS = "paretodiff:"  # how the names of our system attributes begin
RUNG_PREFIX = "rung "  # of a trial's attributes, before the training images
COUNTED = "trained_images"  # by the budget
SCREENED = "screened"
RECIPE = "recipe"
NUMBERS = {
    *(*OBJECTIVES, *SCORE_COLUMNS, *LATER_SCORE_COLUMNS),
    *("generate_seconds", "score_seconds", COUNTED, "threads", "peak_memory_bytes"),
}
# What recipes and Optuna raise at values of other types than they know.
WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def read_attributes(trial: FrozenTrial, objectives: tuple[str, ...], where: str) -> dict[str, Any]:
    """Return what is known of a trial, by the fields of its record.

    Args:
        trial: as Optuna has it.
        objectives: scores that a complete trial has.
        where: the journal it is of.

    Raises:
        ValueError: a value is not as we write it.
    """
    try:
        attrs = attributes(trial)
        known = {
            "recipe": _recipe(attrs.get(RECIPE)),
            "scores": None if attrs.get("scores") is None else check_scores(attrs["scores"]),
            "reason": checked("reason", attrs.get("reason"), str | None),
            "wall_seconds": _seconds(attrs.get("wall_seconds")),
            "feasible": all(excess <= 0 for excess in trial.constraints.values()),
            "end_time": _time(trial.datetime_complete),
            "start_time": _time(trial.datetime_start),
            "place": checked("place", attrs.get("place"), str | None),
            "rungs": _rungs(attrs),
            "knobs": dict(trial.params),
            "screened": tuple(Screening.from_dict(s) for s in attrs.get(SCREENED, ())),
            "images_before_end": checked("trained_images", attrs.get(COUNTED), int | None),
        }
        is_over = trial.state == TrialState.PRUNED and known["scores"] is not None
        if trial.state == TrialState.COMPLETE or is_over:
            objective_values(known["scores"] or {}, objectives)
    except WRONG as error:
        raise ValueError(
            one_line(f"{where} is not as we write it: trial {trial.number}: {error}")
        ) from error
    return known


def attributes(trial: FrozenTrial) -> dict[str, Any]:
    """Return what was kept of a trial, by the names without what marks them as ours."""
    marked = {name: value for name, value in trial.system_attrs.items() if name.startswith(OURS)}
    return trial.user_attrs | {name.removeprefix(OURS): v for name, v in marked.items()}


def has_recipe(trial: FrozenTrial) -> bool:
    """Whether a trial was begun, by its recipe."""
    return f"{OURS}{RECIPE}" in trial.system_attrs or RECIPE in trial.user_attrs


def check_scores(values: Any) -> Scores:
    """Return scores as they were read.

    Raises:
        ValueError: they are no object of numbers and texts, or what is known as a number is none.
    """
    if not isinstance(values, dict):
        raise ValueError(f"scores are {reprlib.repr(values)}; allowed: an object")
    for name, value in values.items():
        parts = value.values() if isinstance(value, dict) else (value,)  # as of the sampling
        if not all(isinstance(part, SCALARS) for part in parts):
            raise ValueError(f"{name} is {reprlib.repr(value)}; allowed: a number or a text")
        if name in NUMBERS and not (value is None or _is_number(value)):
            raise ValueError(f"{name} is {reprlib.repr(value)}; allowed: a number below 2^63")
    if not math.isfinite(values.get(COUNTED) or 0):
        raise ValueError(f"{COUNTED} is {values[COUNTED]}; allowed: a finite number")
    return values


def _recipe(values: Any) -> Recipe | None:
    return None if values is None else Recipe.from_dict(values)


def _rungs(attrs: Mapping[str, Any]) -> dict[int, Scores]:
    rungs = {}
    for name, scores in attrs.items():
        if name.startswith(RUNG_PREFIX):
            images = name.removeprefix(RUNG_PREFIX)
            if not images.isdecimal():
                raise ValueError(f"rung is {images!r}; allowed: a number of images")
            rungs[int(images)] = check_scores(scores)
    return rungs


def _seconds(value: Any) -> float | None:
    seconds: float | None = checked("wall_seconds", value, float | None)
    if seconds is not None and seconds < 0:
        raise ValueError(f"wall_seconds is {seconds}; allowed: 0 or more")
    return seconds


def _time(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**63)
