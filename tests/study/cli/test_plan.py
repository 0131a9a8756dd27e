"""What a dry run says of a study before it begins."""

from pathlib import Path

import pytest
from small_run import run_of
from small_studies import DATA

from diffusion.score.extractor import UntrainedExtractor
from search_spaces import load_space
from study.cli.plan import plan_lines
from study.engine.design import design


@pytest.mark.parametrize("reuse", [True, False])
def test_the_recipes_that_are_named_are_those_that_the_study_begins_with(
    reuse: bool, tmp_path: Path
) -> None:
    space = load_space("quick")
    run = run_of(tmp_path, data=vars(DATA), space="quick", trials=24, seed=3, reuse=reuse)
    rows = design(space, DATA, 3, 24, screens=reuse)
    trainings = {space.recipe(row, DATA).backbone_key for row in rows}
    expected = f"begins   with {len(rows)} recipes of {len(trainings)} trainings:"
    assert expected in list(plan_lines(run, space))
    assert len(design(space, DATA, 3, 24, screens=not reuse)) != len(rows)


def test_a_classifier_that_is_not_trained_yet_is_said_to_be(tmp_path: Path) -> None:
    run = run_of(tmp_path, data=vars(DATA), extractor_sha256=UntrainedExtractor.sha256)
    says = "by 500 images a trial, a classifier of these images, which the search trains first"
    assert f"scored   {says}" in list(plan_lines(run, load_space("quick")))
