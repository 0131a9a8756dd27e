"""A stored backbone comes back as it was written, and what is none is refused."""

import dataclasses
import json
from typing import Any

import pytest
from stored_examples import BACKBONES, DATA, stored

from search_spaces.stored import StoredBackbone


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_round_trips_through_json(backbone: StoredBackbone) -> None:
    written = json.loads(json.dumps(dataclasses.asdict(backbone)))
    assert StoredBackbone.from_dict(written) == backbone


@pytest.mark.parametrize("backbone", BACKBONES)
def test_its_recipes_are_of_its_snapshot_and_of_each_track(backbone: StoredBackbone) -> None:
    recipes = backbone.recipes(DATA)
    assert tuple(recipe.ema.track for recipe in recipes) == backbone.tracks
    assert {recipe.backbone_key for recipe in recipes} == {backbone.key}
    assert {recipe.training.train_images for recipe in recipes} == {64}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "../up"}, r"key is '../up'; allowed: 16 hexadecimal digits"),
        ({"tracks": ()}, r"tracks is \(\); allowed: one or more of none, short"),
        ({"tracks": ("mid", "short")}, "tracks is .*; allowed: one or more of none, short"),
        ({"tracks": ("mid", "mid")}, "tracks is .*; allowed: one or more of none, short"),
        ({"tracks": ("best",)}, "tracks is .*; allowed: a list, each none, short"),
    ],
)
def test_what_is_no_stored_backbone_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(stored(16), **changes)
