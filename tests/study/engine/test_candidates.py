"""What is offered of a trained backbone: models that would show something new."""

import itertools
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial
from small_studies import OBJECTIVES, QUICK

from study.engine.candidates import ALIKE, Candidates
from study.engine.history import History
from study.engine.knob_sets import model_knobs, sampling_knobs
from study.engine.screened import Screened
from study.engine.unbeaten import MOST_UNBEATEN
from study.results.records import TrialRecord
from study.results.screenings import Screening

TRIED: dict[str, Any] = {**QUICK.covering[1], "compression.quantization_step": 1.0}
OTHER: dict[str, Any] = {**TRIED, "compression.quantization_step": 1.01}
COUNTS = {"macs": 1, "parameters": 1, "nonzero_parameters": 1}


def screening(
    knobs: dict[str, Any], size_bytes: float, drift: float, images: int = 0
) -> Screening:
    return Screening(knobs, drift, images, {**COUNTS, "size_bytes": round(size_bytes)})


def steps(candidates: Candidates) -> set[float]:
    """Return the steps of the models that are offered."""
    drawn = (model.drawn(model.ways[0]) for model in candidates.models())
    return {candidate.knobs["compression.quantization_step"] for candidate in drawn}


def offered(
    history: History, *screenings: Screening, objectives: tuple[str, ...] = OBJECTIVES
) -> set[float]:
    screened = Screened()
    screened.add(screenings)
    return steps(Candidates(history, screened, objectives, {}))


def end(history: History, knobs: dict[str, Any], number: int, excess: float = 0.0) -> None:
    """Let a trial of these knobs end, over a limit or not."""
    history.accept(knobs)
    distributions = {name: CategoricalDistribution([value]) for name, value in knobs.items()}
    trial = create_trial(
        params=knobs,
        distributions=distributions,
        values=[20.0, 500_000],
        constraints={"excess": excess},
    )
    found = {"fid": 20.0, "size_bytes": 500_000}
    history.take_in(TrialRecord(number, "complete", None, found, feasible=excess <= 0), trial)


@pytest.fixture(params=["ended", "running"])
def history(request: pytest.FixtureRequest) -> History:
    """A study of one backbone, of which one model was tried, and maybe another is."""
    history = History(OBJECTIVES)
    if request.param == "ended":
        end(history, TRIED, 0)
    else:
        end(history, {**TRIED, "compression.quantization_step": 2.0}, 0)
        history.accept(TRIED)
    return history


LITTLE, MUCH = 1 + 0.9 * ALIKE, 1 + 1.1 * ALIKE


@pytest.mark.parametrize(
    ("size", "drift", "images", "is_offered"),
    [
        (1 / LITTLE, LITTLE, 0, False),
        (LITTLE, 1 / LITTLE, 0, False),
        (1 / MUCH, LITTLE, 0, True),
        (1 / LITTLE, MUCH, 0, True),
        (1 / LITTLE, LITTLE, 32_000, True),
    ],
    ids=["nearly as small", "nearly as good", "smaller", "worse", "cooled down"],
)
def test_a_model_like_a_tried_one_is_not_offered(
    history: History, size: float, drift: float, images: int, is_offered: bool
) -> None:
    found = offered(
        history,
        screening(TRIED, 100_000, 0.01),
        screening(OTHER, 100_000 * size, 0.01 * drift, images),
    )
    assert (1.01 in found) == is_offered


def test_models_alike_of_which_none_was_tried_are_offered(history: History) -> None:
    assert model_knobs(OTHER) not in history.models
    others = ({**OTHER, "compression.quantization_step": step} for step in (1.5, 1.51))
    one, another = others
    found = offered(history, screening(one, 90_000, 0.02), screening(another, 89_000, 0.0201))
    assert found == {1.5, 1.51}


def test_a_model_like_one_over_a_limit_is_offered() -> None:
    history = History(OBJECTIVES)
    end(history, {**TRIED, "compression.quantization_step": 2.0}, 0)
    end(history, TRIED, 1, excess=0.01)
    found = offered(history, screening(TRIED, 100_000, 0.01), screening(OTHER, 98_000, 0.0101))
    assert 1.01 in found


def test_a_tried_model_counts_from_when_it_is_screened(history: History) -> None:
    screened = Screened()
    candidates = Candidates(history, screened, OBJECTIVES, {})
    screened.add([screening(OTHER, 99_000, 0.0101)])
    assert 1.01 in steps(candidates)
    screened.add([screening(TRIED, 100_000, 0.01)])
    assert 1.01 not in steps(candidates)


def test_what_multiplies_less_is_another_model_whatever_the_objectives(history: History) -> None:
    fewer = Screening(OTHER, 0.0099, 0, {**COUNTS, "size_bytes": 100_000})
    more = Screening(TRIED, 0.01, 0, {**COUNTS, "size_bytes": 100_000, "macs": 2})
    assert 1.01 in offered(history, more, fewer, objectives=("fid", "latency_ms"))


def fine(count: int) -> list[Screening]:
    """Return models of which none beats another, each a fiftieth smaller than the last."""
    return [
        screening({**TRIED, "compression.quantization_step": 2.0 + n}, 1e9 / factor, 0.01 * factor)
        for n, factor in ((n, 1.02**n) for n in range(count))
    ]


def test_of_many_models_those_are_offered_that_spread_over_their_drift() -> None:
    history = History(OBJECTIVES)
    end(history, {**TRIED, "compression.quantization": "none"}, 0)
    count = 5 * MOST_UNBEATEN
    found = sorted(offered(history, *fine(count)))
    assert len(found) == MOST_UNBEATEN
    assert (found[0], found[-1]) == (2.0, count + 1.0)
    assert max(b - a for a, b in itertools.pairwise(found)) <= count / MOST_UNBEATEN + 1


def test_what_is_offered_does_not_depend_on_how_screenings_came(
    history: History,
) -> None:
    """A resume sees all at once."""
    many, screened = fine(5 * MOST_UNBEATEN), Screened()
    candidates = Candidates(history, screened, OBJECTIVES, {})
    for start in range(0, len(many), 20):
        screened.add(many[start : start + 20])
        steps(candidates)
    at_once = Candidates(history, screened, OBJECTIVES, {})
    assert list(candidates.models()) == list(at_once.models())


def test_however_many_models_there_are_one_that_is_tried_is_drawn_from_otherwise() -> None:
    history = History(OBJECTIVES)
    many = fine(5 * MOST_UNBEATEN)
    screened = Screened()
    screened.add(many)
    guided = {**many[7].knobs, "sampling.guidance": 9.0}
    screened.add([screening(guided, 1, 1)])
    end(history, many[7].knobs, 0)
    found = Candidates(history, screened, OBJECTIVES, {})
    ways = [m.ways for m in found.models() if m.point.model == model_knobs(many[7].knobs)]
    assert ways == [(sampling_knobs(guided),)]
