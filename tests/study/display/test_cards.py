"""Cards say what a model's figures are of, and nothing in them is markup."""

import re
from dataclasses import replace
from typing import Any

from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.display.cards import card
from study.results.front import front_rows
from study.results.records import TrialRecord
from study.results.rows import FrontRow


def row_of(recipe: Recipe, scores: dict[str, Any]) -> FrontRow:
    (row,) = front_rows([TrialRecord(0, "complete", recipe, scores)], ("fid", "size_bytes"))
    return row


def card_of(row: FrontRow, recipe: Recipe, run: str = "run", **named: Any) -> str:
    return card(row, run, recipe.sampling, **{"has_samples": True, **named})


def test_a_card_names_the_images_of_each_fid(digit_recipe: Recipe) -> None:
    scores = fake_scores(5.0, 400, fid_num_images=10_000, num_images_floor=1_000)
    text = card_of(row_of(digit_recipe, scores), digit_recipe)
    assert "| FID, 10,000 images, train split | 5.00 (95 %: 4.00 to 6.00), 0.83 % of noi" in text
    assert "| FID of 1,000 real images | 4.00 |" in text
    old = card_of(row_of(digit_recipe, {**scores, "num_images_floor": None}), digit_recipe)
    assert "| FID of real images | 4.00 |" in old


def test_a_card_names_the_sampler_and_the_command_of_its_own_folder(digit_recipe: Recipe) -> None:
    bounds = {"guidance_sigma_min": 0.3, "guidance_sigma_max": 20.0}
    sampling = replace(digit_recipe.sampling, steps=7, guidance=2.5, **bounds)
    text = card(row_of(digit_recipe, fake_scores(5.0, 400)), "run", sampling, has_samples=False)
    how = "dpm_solver_pp_2m, 7 steps (karras), guidance 2.5 from sigma 0.3 to sigma 20"
    assert f"| sampler | {how} |" in text
    assert "    python -m study.generate . -n 64 --out grid.png" in text.splitlines()


def test_a_card_shows_the_samples_beside_it(digit_recipe: Recipe) -> None:
    row = row_of(digit_recipe, fake_scores(5.0, 400))
    assert "](samples.png)" in card_of(row, digit_recipe)
    assert "](samples.png)" not in card_of(row, digit_recipe, has_samples=False)


def test_no_name_breaks_a_card_s_table(digit_recipe: Recipe) -> None:
    row = row_of(digit_recipe, fake_scores(5.0, 400))
    odd = {**row, "architecture": "a|b\nc", "ema": "x | y"}
    lines = card_of(odd, digit_recipe, "a|b\n# c").splitlines()
    assert lines[0] == r"# Point 1 of the front of a\|b # c"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 13
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {3}
    assert r"| EMA track | x \| y |" in table


def test_a_card_says_what_trials_were_warned_of(digit_recipe: Recipe) -> None:
    row = row_of(digit_recipe, fake_scores(5.0, 400))
    assert "warned" not in card_of(row, digit_recipe)
    text = card_of(row, digit_recipe, warnings=("<b>few</b> images", "torn"))
    assert "warned of:\n\n- \\<b>few\\</b> images\n- torn\n\nDraw images" in text
