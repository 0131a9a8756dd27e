"""Admission: what is known, cannot be built or is refused, and how much was measured for it."""

from typing import Any

import pytest

from diffusion.recipe import Recipe
from study.engine import admission
from study.engine.admission import MOST_MEASURED, Admission


def test_each_reason_is_said_and_the_cheapest_first(digit_recipe: Recipe) -> None:
    gate = Admission(lambda recipe: "too large" if recipe.ema.track == "none" else None)
    other = digit_recipe.with_changes({"training.seed": 5})
    gate.admit(digit_recipe, 3)
    assert gate.why_not(digit_recipe) == "the same recipe as trial 3"
    assert gate.why_not(other) is None
    assert "groups" in (gate.why_not(other.with_changes({"network.groups": 7})) or "")
    assert gate.why_not(other.with_changes({"ema.track": "none"})) == "too large"


@pytest.mark.parametrize("groups", [1, 7])
def test_a_network_is_built_once_whether_it_can_be_or_not(
    digit_recipe: Recipe, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, built = admission.build_network, []

    def count(*given: Any) -> Any:
        built.append(given)
        return build(*given)

    monkeypatch.setattr(admission, "build_network", count)
    gate, recipe = Admission(), digit_recipe.with_changes({"network.groups": groups})
    reasons = {gate.why_not(recipe.with_changes({"sampling.seed": seed})) for seed in range(5)}
    assert len(built) == len(reasons) == 1


def test_only_what_differs_in_what_is_measured_counts(digit_recipe: Recipe) -> None:
    gate = Admission()
    for seed in range(3 * MOST_MEASURED):
        gate.why_not(digit_recipe.with_changes({"sampling.seed": seed, "ema.track": "long"}))
    assert not gate.is_spent
    for tenth in range(1, MOST_MEASURED):
        pruned = {"compression.prune_method": "l1", "compression.prune_ratio": tenth / 23}
        assert not gate.is_spent
        gate.why_not(digit_recipe.with_changes(pruned))
    assert gate.is_spent
    gate.begin()
    assert not gate.is_spent
