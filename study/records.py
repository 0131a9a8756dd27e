"""Records: what is known of each trial, as the storage, the tables and the front see it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from diffusion.recipe import Recipe

# Values a trial reports; each is finite in a finished trial.
Scores = dict[str, Any]
State = Literal["running", "complete", "pruned", "failed", "infeasible", "waiting"]


@dataclass(frozen=True)
class Objective:
    """What a study minimises, or maximises: the name of a score and its unit."""

    name: str
    unit: str
    maximize: bool = False


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("fid", "squared feature distance"),
        Objective("fid_held_out", "squared feature distance"),
        Objective("fid_infinity", "squared feature distance"),
        Objective("kid", "squared kernel distance"),
        Objective("size_bytes", "bytes"),
        Objective("macs", "multiply-accumulates a network call"),
        Objective("parameters", "count"),
        Objective("nonzero_parameters", "count"),
        Objective("latency_ms", "milliseconds an image"),
        Objective("label_agreement", "share", maximize=True),
        Objective("precision", "share", maximize=True),
        Objective("recall", "share", maximize=True),
    )
}
DEFAULT_OBJECTIVES = ("fid", "size_bytes")
NOISE = "fid_noise"
OVER_A_LIMIT = "over a limit"
SCORE_COLUMNS = (
    "parameters",
    "nonzero_parameters",
    "macs",
    "size_bytes",
    "gzip_state_dict_bytes",
    "fid",
    "fid_held_out",
    "fid_num_images",
    "fid_low",
    "fid_high",
    "latency_ms",
    "train_images",
    "train_seconds",
)
# New columns are added at the end.
LATER_SCORE_COLUMNS = (
    "label_agreement",
    "fid_noise",
    "label_balance",
    "ssim",
    "train_ms_per_epoch",
    "fid_floor",
    "fid_infinity",
    "kid",
    "kid_deviation",
    "precision",
    "recall",
    "nearest_train_distance",
)
# Of trials that were scored again, and some that were trained again.
VERIFIED_COLUMNS = (
    "verified_seeds",
    "front_probability",
    "trainings",
    "fid_trainings_deviation",
    "fid_samples_deviation",
)


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        scores: what it measured; None until it is complete.
        reason: why it failed, was stopped early, exceeds a limit or could not be built.
        feasible: whether a complete trial keeps to the study's limits.
        rungs: scores of its uncompressed training on the way, by its training images.
        knobs: what was drawn for it, by the names of the search space.
    """

    number: int
    state: State
    recipe: Recipe | None
    scores: Scores | None = None
    reason: str | None = None
    wall_seconds: float | None = None
    feasible: bool = True
    rungs: Mapping[int, Scores] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it counts towards the trials that were asked for."""
        return self.state in ("complete", "pruned", "failed")

    @property
    def trained_images(self) -> int:
        """How many images an ended trial was trained on, as far as it could say."""
        scores = self.scores or self.rungs.get(max(self.rungs, default=0)) or {}
        return int(scores.get("trained_images", 0))

    @property
    def outcome(self) -> str:
        """Its state in words for people."""
        if self.state == "complete" and not self.feasible:
            return OVER_A_LIMIT
        return "stopped early" if self.state == "pruned" else self.state


def check_objectives(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names; raise ValueError for an unknown or repeated one, or none at all."""
    for name in names:
        if name not in OBJECTIVES:
            raise ValueError(f"objective is {name!r}; allowed: {', '.join(OBJECTIVES)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"objectives are {list(names)}; allowed: one or more, each once")
    return names


def check_limits(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return limits by score; raise ValueError for a wrong or repeated score, or value."""
    limits: dict[str, float] = {}
    for name, most in pairs:
        allowed = [o.name for o in OBJECTIVES.values() if not o.maximize and o.name not in limits]
        if name not in allowed:
            raise ValueError(f"limit is of {name!r}; allowed: {', '.join(allowed)}, each once")
        is_number = isinstance(most, int | float) and not isinstance(most, bool)
        if not is_number or not 0 < most < math.inf:
            raise ValueError(f"limit of {name} is {most!r}; allowed: a finite number above 0")
        limits[name] = most
    return limits


def excesses(scores: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, float]:
    """Return the shares by which a trial's scores exceed each limit; up to 0 within it.

    Every study has one limit more: a model that is worse than uniform noise is of no use.
    """
    shares = {name: (scores[name] - most) / most for name, most in limits.items()}
    if NOISE in scores:
        shares[NOISE] = (scores["fid"] - scores[NOISE]) / scores[NOISE]
    return shares


def over_limits(scores: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Say which limits a trial's scores exceed; None where it keeps to them all."""
    over = []
    for name, share in excesses(scores, limits).items():
        if share > 0 and name == NOISE:
            noise = f"{scores[NOISE]:,.1f}"
            over.append(f"fid {scores['fid']:,.1f} is worse than uniform noise's {noise}")
        elif share > 0:
            over.append(f"{name} {scores[name]:,.10g} is over the limit {limits[name]:,.10g}")
    return ", ".join(over) or None


def aims(objectives: tuple[str, ...]) -> str:
    """Say what a study aims at, like: minimising fid and size_bytes, maximising recall."""
    parts = []
    for word, maximize in (("minimising", False), ("maximising", True)):
        names = [name for name in objectives if OBJECTIVES[name].maximize == maximize]
        if names:
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
            parts.append(f"{word} {listed}")
    return ", ".join(parts)


def objective_values(scores: Mapping[str, Any], objectives: tuple[str, ...]) -> list[float]:
    """Return the objectives of a trial's scores.

    Raises:
        ValueError: one is missing, NaN or infinite, so the trial must not count as complete.
    """
    values = []
    for name in objectives:
        value = scores.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}; allowed: a finite number")
        values.append(float(value))
    return values


def cost(name: str, value: float) -> float:
    """Return a score as what is to be minimised, whatever its direction."""
    return -value if OBJECTIVES[name].maximize else value


def costs(scores: Mapping[str, Any], objectives: tuple[str, ...]) -> list[float]:
    """Return the objectives of a trial's scores, all to be minimised.

    Raises:
        ValueError: one is missing, NaN or infinite.
    """
    values = objective_values(scores, objectives)
    return [cost(name, value) for name, value in zip(objectives, values, strict=True)]


def as_row(record: TrialRecord, package_path: str | None = None) -> dict[str, Any]:
    """Return a complete trial as a flat row of the front's columns."""
    if record.recipe is None or record.scores is None:
        raise ValueError(f"trial {record.number} is {record.state}; allowed: a complete one")
    recipe, compression = record.recipe, record.recipe.compression
    return {
        "trial": record.number,
        "architecture": recipe.network.architecture,
        "groups": recipe.network.groups,
        "ema": recipe.ema.track,
        "prune_method": compression.prune_method,
        "prune_region": compression.prune_region,
        "prune_ratio": compression.prune_ratio,
        "quantization": compression.quantization,
        **{name: record.scores.get(name) for name in SCORE_COLUMNS},
        "backbone_key": recipe.backbone_key,
        "package_path": package_path,
        "widths": "-".join(map(str, recipe.network.widths)),
        **{name: record.scores.get(name) for name in LATER_SCORE_COLUMNS + VERIFIED_COLUMNS},
    }


def drawn_images(row: Mapping[str, Any]) -> str:
    """Say how many images a row's FID is of: 500 images, or 3 x 1,000 images once verified."""
    images = f"{row['fid_num_images']:,} images"
    return f"{row['verified_seeds']} x {images}" if row["verified_seeds"] else images
