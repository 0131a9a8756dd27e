"""Objectives: which scores a study minimises or maximises, and their values in a trial."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusion.errors import did_you_mean

# Values a trial reports; each is finite in a finished trial.
Scores = dict[str, Any]


@dataclass(frozen=True)
class Objective:
    """What a study minimises, or maximises.

    Attributes:
        name: of the score.
        unit: of its values.
        maximize: whether more of it is better.
    """

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
        Objective("onnx_latency_ms", "milliseconds an image in onnxruntime"),
        Objective("label_agreement", "share", maximize=True),
        Objective("precision", "share", maximize=True),
        Objective("recall", "share", maximize=True),
    )
}
LATENCIES = ("latency_ms", "onnx_latency_ms")
DEFAULT_OBJECTIVES = ("fid", "size_bytes")


def check_objectives(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names as they are.

    Raises:
        ValueError: one is unknown or repeated, or there is none at all.
    """
    for name in names:
        if name not in OBJECTIVES:
            hint = did_you_mean(name, OBJECTIVES)
            raise ValueError(f"objective is {name!r}{hint}; allowed: {', '.join(OBJECTIVES)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"objectives are {list(names)}; allowed: one or more, each once")
    return names


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
    """Return the objectives of a trial's scores, in their order.

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
    """Return a score as what is to be minimised, whatever its direction.

    Args:
        name: of an objective.
        value: of a trial in it.
    """
    return -value if OBJECTIVES[name].maximize else value


def costs(scores: Mapping[str, Any], objectives: tuple[str, ...]) -> list[float]:
    """Return the objectives of a trial's scores, all to be minimised.

    Raises:
        ValueError: one is missing, NaN or infinite.
    """
    values = objective_values(scores, objectives)
    return [cost(name, value) for name, value in zip(objectives, values, strict=True)]
