"""Counts and recipes as people read them."""

from typing import Any

import pytest

from diffusion.recipe import Recipe
from study.results.words import format_bytes, format_count, name_recipe


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999.6, "1 k"),
        (95_123, "95.1 k"),
        (4e6, "4 M"),
        (4.56e10, "45.6 G"),
    ],
)
def test_counts_are_written_with_three_digits(count: float, text: str) -> None:
    assert format_count(count) == text


def test_a_size_past_a_gigabyte_has_its_unit() -> None:
    assert format_bytes(1_250_000_000) == "1.25 GB"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "weights8"),
        ({"finetune_images": 32_000}, "weights8, +32k"),
        ({"finetune_images": 500, "finetune_teacher": True}, "weights8, +500 distilled"),
        ({"quantization": "uniform", "quantization_step": 1.2}, "uniform 1.2"),
        (
            {"quantization": "uniform", "quantization_step": 0.8765, "finetune_images": 1_600},
            "uniform 0.876, +1.6k",
        ),
        ({"quantization": "none", "finetune_images": 48_000}, "+48k"),
    ],
)
def test_a_recipe_is_named_with_its_step_and_its_cool_down(
    digit_recipe: Recipe, changes: dict[str, Any], words: str
) -> None:
    recipe = digit_recipe.with_changes({f"compression.{k}": v for k, v in changes.items()})
    name = name_recipe(recipe)
    assert name == f"mini_ddpm, 8-16, groups 1, ema mid, l1 30% all, {words}"
