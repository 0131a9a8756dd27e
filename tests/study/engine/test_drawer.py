"""What is drawn: new backbones for a share of the trials, or all there are for idle workers."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_studies import ALL_BACKBONES, DATA, OBJECTIVES, QUICK, proposed, proposer, run, scored

from search_spaces import load_space
from study.engine.design import design
from study.engine.knob_sets import backbone_knobs
from study.engine.proposer import Nothing, Proposer
from study.run.storage import StudyStorage


def test_the_stated_share_of_trials_reuses_a_backbone(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), 60)
    covering = len(QUICK.covering)
    for count in range(covering, 61):
        backbones = len({recipe.backbone_key for recipe in recipes[:count]})
        assert backbones <= max(6, (1 - QUICK.reuse_share) * count)
    assert len({recipe.backbone_key for recipe in recipes}) > 6, "new ones are still tried"


@pytest.mark.parametrize(("train_seconds", "share"), [(320.0, 1 / 33), (20.0, 1 / 3)])
def test_costly_trainings_are_started_less_often(train_seconds: float, share: float) -> None:
    mnist = load_space("mnist")
    rows = design(mnist, DATA, 0, 60)
    first = len({backbone_knobs(row) for row in rows})
    source = Proposer(replace(mnist, covering=rows), DATA, StudyStorage(None, OBJECTIVES), 0)
    recipes = []
    for count in range(1, 51):
        number, recipe = proposed(source) or pytest.fail("the space is exhausted")
        recipes.append(recipe)
        scored(source, number, recipe, train_seconds)
        backbones = len({recipe.backbone_key for recipe in recipes})
        assert backbones <= max(first, share * count + 1e-9), "as many are in line"
    assert backbones == max(first, int(50 * share))


def test_noise_in_the_timings_changes_no_proposal() -> None:
    sources = [Proposer(QUICK, DATA, StudyStorage(None, OBJECTIVES), 3) for _ in range(2)]
    for count in range(30):
        proposals = [proposed(source) for source in sources]
        assert proposals[0] == proposals[1]
        for source, noise, proposal in zip(sources, (1.0, 1.2), proposals, strict=True):
            number, recipe = proposal or pytest.fail("the space is exhausted")
            scored(source, number, recipe, 80 * noise + count % 3)


def test_new_backbones_are_proposed_until_none_is_left() -> None:
    source = Proposer(replace(QUICK, covering=()), DATA, StudyStorage(None, OBJECTIVES), 0)
    keys = set()
    while not isinstance(proposal := source.propose_anew(), Nothing):
        keys.add(proposal[1].backbone_key)
    assert proposal is Nothing.EXHAUSTED
    assert len(keys) == len(source.storage.records()) == ALL_BACKBONES
    assert proposed(source) is not None, "the space holds other compressions"


def test_without_reuse_the_covering_comes_first_and_nothing_twice(tmp_path: Path) -> None:
    storage = StudyStorage(None, OBJECTIVES)
    source = Proposer(QUICK, DATA, storage, 0, reuse=False)
    recipes = run(source, 40)
    with_views = run(proposer(tmp_path), 40)
    covering = len(QUICK.covering)
    assert recipes[:covering] == with_views[:covering]
    assert recipes[covering:] != with_views[covering:]
    assert len({recipe.key for recipe in recipes}) == 40
