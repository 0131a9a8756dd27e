"""What was screened: each model once, by backbone, whatever is drawn from it."""

from small_studies import DATA, QUICK

from study.engine.knob_sets import backbone_knobs
from study.engine.screened import Screened, as_screenings
from study.results.screenings import EXACT, Screening

ROW = dict(QUICK.covering[0])
BACKBONE = backbone_knobs(ROW)
RECIPE = QUICK.recipe(ROW, DATA)
FOUND = {"recipe_key": RECIPE.key, "drift": 0.5, "reason": None, **dict.fromkeys(EXACT, 7)}


def test_a_model_is_known_by_its_first_screening_however_it_is_drawn_from() -> None:
    screened = Screened()
    other = {**ROW, "sampling.guidance": 3.0}
    screened.add([Screening(ROW, 0.1), Screening(other, 0.2)])
    assert len(screened) == 1
    assert screened.of(BACKBONE) == [Screening(ROW, 0.1)]
    assert screened.find(other) == Screening(ROW, 0.1)
    assert screened.find({**ROW, "ema.track": "long"}) is None
    assert len(screened.ways(9)) == 2


def test_drifts_of_another_yardstick_are_left_out() -> None:
    screened = Screened()
    as_before = Screening.from_dict(
        {
            "knobs": ROW,
            "drift": 0.1,
            "cool_down_images": 0,
            "scores": dict.fromkeys(EXACT, 7),
            "reason": None,
        }
    )
    screened.add([as_before])
    assert len(screened) == 0
    screened.add([Screening(ROW, 0.2)])
    assert screened.find(ROW) == Screening(ROW, 0.2)


def test_the_latest_come_whatever_their_backbone() -> None:
    screened = Screened()
    rows = [{**ROW, "backbone.groups": groups} for groups in (1, 2, 4)]
    screened.add(Screening(row, float(n)) for n, row in enumerate(rows))
    assert [s.drift for s in screened.latest(2)] == [1.0, 2.0]
    assert screened.backbones == [backbone_knobs(row) for row in rows]


def test_what_a_worker_found_gets_the_knobs_it_was_asked_for() -> None:
    (screening,) = as_screenings([(ROW, RECIPE)], [FOUND])
    assert screening == Screening(
        ROW, 0.5, RECIPE.compression.finetune_images, dict.fromkeys(EXACT, 7)
    )


def test_what_has_no_weight_left_has_no_drift() -> None:
    gone = {**FOUND, "nonzero_parameters": 0}
    refused = {**FOUND, "drift": None, "reason": "step is 16", **dict.fromkeys(EXACT, None)}
    for found, reason in (
        (gone, "no weights are left, or none finite"),
        ({**FOUND, "drift": float("nan")}, "no weights are left, or none finite"),
        (refused, "step is 16"),
    ):
        (screening,) = as_screenings([(ROW, RECIPE)], [found])
        assert (screening.drift, screening.scores, screening.reason) == (None, {}, reason)
