"""The simulated world: what is trained, cooled down, screened and drawn takes its time once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from grid_table import (
    COOL_DOWN_SECONDS,
    DATA,
    DRAWING,
    MACS,
    RUNG_SECONDS,
    TRAIN_SECONDS,
    grid_table,
    scores,
)

from benchmarks.replay_world import SCREENED_MACS, SCREENING_SECONDS, World
from search_spaces import load_space
from search_spaces.quick_grid import TRAINING_SEEDS, backbone_row, variant_row
from study.engine.running import Assignment
from study.results.objectives import Scores

GRID, TABLE = load_space("quick-grid"), grid_table()
SEED = TRAINING_SEEDS[0]
TINY = backbone_row("mini_ddpm", "12-32", 1, SEED)
PLAIN, COOLED = variant_row(TINY, "none"), variant_row(TINY, 1.6, finetune_images=8_000)
OTHER = variant_row(backbone_row("mini_ddpm", "12-32", 2, SEED), "none")
DRAW_SECONDS = sum(DRAWING.values())
SCREEN_SECONDS = SCREENING_SECONDS * MACS / SCREENED_MACS
TRAIN_IMAGES = GRID.recipe(PLAIN, DATA).training.train_images


class Given:
    """Hands out given rows, one after another has ended."""

    looking = False

    def __init__(self, rows: Sequence[dict[str, Any]], stops: Sequence[int] = ()) -> None:
        """Hand out rows; the given ones of their judgements, counted from 0, are to stop."""
        self._rows, self._stops, self._running = list(rows), stops, False
        self.found: list[Mapping[str, Any]] = []
        self.heard: list[str] = []
        self.judged: list[int] = []
        self.ended: list[Scores | None] = []
        self.shares: list[float] = []

    def next(self) -> Assignment | None:
        if self._running or not self._rows:
            return None
        row, self._running = self._rows.pop(0), True
        recipe = GRID.recipe(row, DATA)
        return Assignment(len(self.ended), recipe, 0.0, ((row, recipe),))

    def progress(self, number: int, stage: str, share: float) -> None:
        self.shares.append(share)

    def screened(self, number: int, found: Sequence[Mapping[str, Any]]) -> None:
        self.found += found
        self.heard.append("screened")

    def judge(self, number: int, train_images: int, scores: Scores) -> bool:
        self.judged.append(train_images)
        self.heard.append("judged")
        return len(self.judged) - 1 not in self._stops

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        self.ended.append(scores)
        self.heard.append("ended")
        self._running = False


def alone(*rows: dict[str, Any], slowdown: int = 1, reuse: bool = True) -> World:
    world = World(TABLE, slowdown, reuse=reuse, judges=False)
    world.run(Given(rows))
    return world


@pytest.mark.parametrize("slowdown", [1, 10])
@pytest.mark.parametrize(
    ("rows", "trainings", "cool_downs"),
    [
        ([PLAIN], 1, 0),
        ([PLAIN, variant_row(TINY, 1.6)], 1, 0),
        ([COOLED], 1, 1),
        ([PLAIN, COOLED, COOLED], 1, 1),
        ([PLAIN, OTHER], 2, 0),
    ],
)
def test_what_is_there_takes_no_time_again(
    rows: list[dict[str, Any]], trainings: int, cool_downs: int, slowdown: int
) -> None:
    world = alone(*rows, slowdown=slowdown)
    # A rung on the way is as far as before, whatever comes after it takes.
    trained = slowdown * (trainings * TRAIN_SECONDS + cool_downs * COOL_DOWN_SECONDS)
    beside = len(rows) * (DRAW_SECONDS + SCREEN_SECONDS)
    assert world.seconds == pytest.approx(trained + beside)
    assert world.images == slowdown * (trainings * TRAIN_IMAGES + cool_downs * 8_000)


def test_without_reuse_every_trial_trains_and_cools_down() -> None:
    assert alone(COOLED, COOLED, reuse=False).images == 2 * (TRAIN_IMAGES + 8_000)


def test_a_search_hears_what_was_recorded() -> None:
    search = Given([PLAIN, COOLED])
    World(TABLE, 10, reuse=True, judges=True).run(search)
    assert search.judged == [16_000, 32_000]
    assert search.heard == ["judged", "judged", "screened", "ended", "screened", "ended"]
    assert search.shares == sorted(search.shares)
    assert search.shares[-1] == 1.0
    assert 16_000 / (10 * TRAIN_IMAGES) in search.shares
    recipes = [GRID.recipe(row, DATA) for row in (PLAIN, COOLED)]
    assert [found["recipe_key"] for found in search.found] == [r.key for r in recipes]
    assert search.found[1]["drift"] > search.found[0]["drift"] == 0
    first, second = (scores or {} for scores in search.ended)
    assert first["fid"] == scores(recipes[0])["fid"]
    assert first["train_seconds"] == 10 * TRAIN_SECONDS
    assert second["finetune_seconds"] == 10 * COOL_DOWN_SECONDS


def test_a_training_that_is_stopped_takes_what_it_had() -> None:
    search, world = Given([PLAIN], stops=[0]), World(TABLE, 1, reuse=True, judges=True)
    moments = world.run(search)
    assert search.ended == [None]
    assert world.images == 16_000
    assert world.seconds == pytest.approx(RUNG_SECONDS[16_000] + DRAW_SECONDS)
    assert moments[-1].hypervolume == 0


def test_a_training_that_was_stopped_goes_on_from_there() -> None:
    search, world = Given([PLAIN, PLAIN], stops=[0]), World(TABLE, 1, reuse=True, judges=True)
    world.run(search)
    assert [scores is not None for scores in search.ended] == [False, True]
    assert search.judged == [16_000, 32_000], "each rung once"
    assert world.images == TRAIN_IMAGES
    beside = 3 * DRAW_SECONDS + SCREEN_SECONDS  # two rungs and the end
    assert world.seconds == pytest.approx(TRAIN_SECONDS + beside)


def test_a_table_without_screenings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no screening of recipe [0-9a-f]{16}, nor of 0 others;"):
        World({**TABLE, "screenings": TABLE["screenings"][1:]}, 1, reuse=True, judges=True)
