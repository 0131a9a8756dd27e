"""Values from JSON by the types of annotations: restored, or refused with what is allowed."""

from typing import Any, Literal

import pytest

from diffusion.config import checked


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        (1, int, 1),
        (1, float, 1.0),
        (-0.0, float, 0.0),
        (1, float | None, 1.0),
        (None, float | None, None),
        (1, int | float, 1),
        ("max", int | Literal["max"], "max"),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        ([], tuple[str, ...], ()),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"a": [1]}, dict[str, Any], {"a": [1]}),
    ],
)
def test_a_value_is_restored_as_its_type_has_it(value: Any, hint: Any, found: Any) -> None:
    restored = checked("field", value, hint)
    assert restored == found
    assert type(restored) is type(found)


@pytest.mark.parametrize(
    ("value", "hint", "allowed"),
    [
        (True, int, "a whole number"),
        (1.0, int, "a whole number"),
        ("1", float, "a finite number"),
        (float("nan"), float, "a finite number"),
        (10**400, float, "a finite number"),
        ("c", Literal["a", "b"], "a, b"),
        ([1], tuple[str, ...], "a list, each a text"),
        (["a"], str, "a text"),
        ({"a": "b"}, dict[str, float], "an object, each value a finite number"),
        ([["a", 1.0]], dict[str, float], "an object, each value a finite number"),
        ([], str | None, "a text or null"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, hint: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=r"^field is .*; allowed: ") as error:
        checked("field", value, hint)
    assert str(error.value).endswith(f"; allowed: {allowed}")
    assert len(str(error.value)) < 150
