"""The knobs of a trial by what they shape: the training, the model, or what is drawn from it."""

from collections.abc import Mapping
from typing import Any

from search_spaces.space import BACKBONE_PREFIX, SAMPLING_PREFIX

Knobs = tuple[tuple[str, Any], ...]  # Names and values, by name.


def all_knobs(params: Mapping[str, Any]) -> Knobs:
    """Return all knobs, in order."""
    return tuple(sorted(params.items()))


def backbone_knobs(params: Mapping[str, Any]) -> Knobs:
    """Return the knobs that shape the training."""
    return tuple(item for item in all_knobs(params) if item[0].startswith(BACKBONE_PREFIX))


def model_knobs(params: Mapping[str, Any]) -> Knobs:
    """Return the knobs that shape the model, in order: all but those of drawing from it."""
    return tuple(item for item in all_knobs(params) if not item[0].startswith(SAMPLING_PREFIX))


def backbone_and_model(params: Mapping[str, Any]) -> tuple[Knobs, Knobs]:
    """Return the knobs that shape the training, and those that shape the model."""
    model = model_knobs(params)
    return tuple(item for item in model if item[0].startswith(BACKBONE_PREFIX)), model


def sampling_knobs(params: Mapping[str, Any]) -> Knobs:
    """Return the knobs that play a part in drawing alone, in order."""
    return tuple(item for item in all_knobs(params) if item[0].startswith(SAMPLING_PREFIX))
