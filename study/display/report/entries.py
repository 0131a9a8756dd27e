"""Trials as a report's page has them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusion.recipe import Recipe
from study.display.report.conditions import Conditions
from study.display.report.metrics import figure, figures
from study.results.limits import NOISE, OVER_A_LIMIT
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.rows import SEARCHED, FrontRow
from study.results.words import name_cool_down, name_quantization, name_recipe

# What became of a trial, in the order of the page's legend, with its words there.
STATUSES = {
    "front": "on the front",
    "dominated": "dominated",
    "noise": "worse than uniform noise",
    "over": "over your limits",
    "stopped": "stopped early",
    "failed": "failed",
    "refused": "refused",
    "running": "running",
}
_OF_OUTCOME = {
    "complete": "dominated",
    OVER_A_LIMIT: "over",
    "stopped early": "stopped",
    "infeasible": "refused",
}
Entry = dict[str, Any]


def status_of(record: TrialRecord, front: Mapping[int, FrontRow]) -> str:
    """Return what became of a trial, one of STATUSES.

    Args:
        record: of the trial.
        front: rows of the front by their trials.
    """
    if record.number in front:
        return "front"
    status = _OF_OUTCOME.get(record.outcome, record.outcome)
    return "noise" if status == "over" and _is_worse_than_noise(record) else status


def entry_of(record: TrialRecord, front: Mapping[int, FrontRow], conditions: Conditions) -> Entry:
    """Return a trial as the page has it; what is not known of it is left out.

    Args:
        record: of the trial.
        front: rows of the front by their trials.
        conditions: gets those that its scores were measured under.
    """
    scores = _known_scores(record)
    entry = {
        "trial": record.number,
        "status": status_of(record, front),
        "name": None if record.recipe is None else name_recipe(record.recipe),
        "recipe": None if record.recipe is None else list(_recipe_lines(record.recipe)),
        "knobs": dict(record.knobs) if record.recipe is None else None,
        "reason": record.reason,
        "seconds": figure(record.wall_seconds),
        "scores": {**figures(scores), "trial": record.number},
        **(_measured(scores, conditions) if scores else {}),
    }
    if row := front.get(record.number):
        entry |= {"rank": row["rank"], "point": Path(row["package_path"]).parent.name}
    return {name: value for name, value in entry.items() if value is not None}


def _known_scores(record: TrialRecord) -> Scores:
    """Return a trial's scores; of one that was stopped early, where it was last judged."""
    if record.scores is not None or not record.rungs:
        return record.scores or {}
    rung = max(record.rungs)
    return {**record.rungs[rung], "train_images": rung}


def _measured(scores: Scores, conditions: Conditions) -> Entry:
    """Return what a trial's scores say beside its figures; the search's, too, once verified."""
    searched = scores.get(SEARCHED) or {}
    low, high = figure(scores.get("fid_low")), figure(scores.get("fid_high"))
    return {
        "interval": None if low is None or high is None else [low, high],
        "images": scores.get("fid_num_images"),
        "seeds": scores.get("verified_seeds"),
        "chance": figure(scores.get("front_probability")),
        "searched": figures(searched) or None,
        "searched_images": searched.get("fid_num_images"),
        "conditions": conditions.place(scores),
    }


def _is_worse_than_noise(record: TrialRecord) -> bool:
    """Whether noise's limit, which every study has, is the one that a trial exceeds."""
    scores = record.scores or {}
    return (scores.get("fid") or 0) > (scores.get(NOISE) or float("inf"))


def _recipe_lines(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield what defines a model, as labels and texts."""
    network, compression, sampling = recipe.network, recipe.compression, recipe.sampling
    widths = "-".join(map(str, network.widths))
    yield "network", f"{network.architecture} {widths}, groups {network.groups}"
    yield "trained on", f"{recipe.training.train_images:,} images, {recipe.training.formulation}"
    yield "EMA", recipe.ema.track
    if compression.prune_method != "none":
        ratio, region = compression.prune_ratio, compression.prune_region
        yield "pruning", f"{compression.prune_method} {ratio:.0%} of {region}"
    if compression.quantization != "none":
        step = compression.quantization_step
        yield "quantization", name_quantization(compression.quantization, step)
    if compression.finetune_images:
        teacher = compression.finetune_teacher
        yield "cool-down", name_cool_down(compression.finetune_images, teacher) + " images"
    yield "sampler", f"{sampling.sampler}, {sampling.steps} steps, guidance {sampling.guidance:g}"
