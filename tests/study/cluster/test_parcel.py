"""What goes to a worker: it arrives as it was, and alike recipes take little room."""

import json

from hypothesis import given
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.cluster.parcel import pack, unpack

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)


@given(values=PLAIN)
def test_what_is_packed_arrives_as_it_was(values: object) -> None:
    assert unpack(pack(values)) == values


def test_twenty_recipes_of_a_backbone_take_less_room_than_two(digit_recipe: Recipe) -> None:
    one = len(json.dumps(digit_recipe.to_dict()))
    assert len(pack([digit_recipe.to_dict()] * 20)) < 2 * one
