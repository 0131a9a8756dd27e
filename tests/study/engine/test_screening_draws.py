"""What is screened beside a trial."""

from dataclasses import replace
from pathlib import Path

from screened_world import screen, step, study
from small_studies import OBJECTIVES, QUICK, one_knob, proposed

from search_spaces.space import SearchSpace
from study.engine.knob_sets import model_knobs
from study.engine.screening_draws import NUM_SCREENED
from study.run.storage import StudyStorage

NO_DESIGN = replace(QUICK, covering=())


def test_the_own_model_comes_first_and_all_are_of_its_backbone() -> None:
    source = study()
    number, recipe = proposed(source) or (0, None)
    asked = source.to_screen(number)
    assert recipe is not None
    assert asked[0][1] == recipe
    assert len(asked) == NUM_SCREENED
    assert {other.backbone_key for _, other in asked} == {recipe.backbone_key}


def test_nothing_is_screened_twice_also_while_it_is_being_screened() -> None:
    source = study(space=NO_DESIGN)
    for _ in range(8):
        step(source)
    running = [proposed(source), proposed(source)]
    asked = [source.to_screen(p[0]) for p in running if p is not None]
    assert len(asked) == 2
    kept = [s for record in source.storage.records() for s in record.screened]
    models = [model_knobs(s.knobs) for s in kept]
    models += [model_knobs(knobs) for some in asked for knobs, _ in some]
    assert len(models) == len(set(models))


def test_after_a_kill_the_rest_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    source = study(StudyStorage(path, OBJECTIVES), space=NO_DESIGN)
    step(source)
    number, _ = proposed(source) or (0, None)
    asked = source.to_screen(number)
    screen(source, number, asked[:5])
    again = study(StudyStorage(path, OBJECTIVES), space=NO_DESIGN).to_screen(number)
    assert [recipe.key for _, recipe in again] == [recipe.key for _, recipe in asked[5:]]


def test_a_space_without_other_compressions_is_asked_for_its_own_model_alone() -> None:
    source = study(space=SearchSpace("one", one_knob, (), 3, 0.5, 100))
    number, recipe = proposed(source) or (0, None)
    assert [other for _, other in source.to_screen(number)] == [recipe]
