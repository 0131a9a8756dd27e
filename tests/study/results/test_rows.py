"""Rows hold a trial's scores by column, and say what their FIDs are of."""

import pytest
from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.results.records import TrialRecord
from study.results.rows import LATER_SCORE_COLUMNS, as_row, drawn_images, quantization, real_images


def test_a_row_holds_the_scores_it_has_and_none_for_the_others(digit_recipe: Recipe) -> None:
    scores = fake_scores(5.0, 400, precision=0.5)
    row = as_row(TrialRecord(3, "complete", digit_recipe, scores))
    assert {name: row[name] for name in scores} == scores
    assert (row["trial"], row["widths"], row["prune_ratio"]) == (3, "8-16", 0.3)
    assert row["recall"] is None
    assert row["package_path"] is None


def test_a_trial_without_scores_is_no_row(digit_recipe: Recipe) -> None:
    with pytest.raises(ValueError, match="trial 3 is pruned; allowed: a complete one"):
        as_row(TrialRecord(3, "pruned", digit_recipe))


def test_later_columns_stand_after_those_of_earlier_versions() -> None:
    assert LATER_SCORE_COLUMNS[-1] == "num_images_floor"


def test_a_row_ends_with_what_came_last(digit_recipe: Recipe) -> None:
    changes = {
        "compression.quantization": "uniform",
        "compression.quantization_step": 1.2,
        "compression.finetune_images": 32_000,
        "compression.finetune_teacher": True,
        "sampling.guidance": 1.5,
    }
    recipe = digit_recipe.with_changes(changes)
    row = as_row(TrialRecord(0, "complete", recipe, fake_scores(5.0, 400, finetune_seconds=7.5)))
    assert list(row.items())[-6:] == [
        ("finetune_seconds", 7.5),
        ("quantization_step", 1.2),
        ("finetune_images", 32_000),
        ("finetune_teacher", True),
        ("guidance", 1.5),
        ("onnx_latency_ms", None),
    ]
    assert quantization(row) == "uniform 1.2 +32k distilled"
    plain = as_row(TrialRecord(0, "complete", digit_recipe, fake_scores(5.0, 400)))
    assert (quantization(plain), plain["finetune_seconds"]) == ("weights8", None)


def test_an_fid_says_of_how_many_images_it_is(digit_recipe: Recipe) -> None:
    row = as_row(TrialRecord(0, "complete", digit_recipe, fake_scores(5.0, 400)))
    assert drawn_images(row) == "500 images"
    assert (
        drawn_images({**row, "verified_seeds": 3, "fid_num_images": 1_000}) == "3 x 1,000 images"
    )


@pytest.mark.parametrize(("count", "said"), [(1_000, "1,000 real images"), (None, "real images")])
def test_a_floor_says_of_how_many_real_images_it_is_where_that_is_known(
    count: int | None, said: str, digit_recipe: Recipe
) -> None:
    scores = fake_scores(5.0, 400, fid_num_images=10_000, num_images_floor=count)
    row = as_row(TrialRecord(0, "complete", digit_recipe, scores))
    assert real_images(row) == said
