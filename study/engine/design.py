"""The engine's own design, for a space that has none: what to try before there are results.

Few backbones, each with its least compressed model where compressions are screened, else with
several compressions, so that every level of every knob occurs. It is
made of draws at random from the space alone, and of what they cost; nothing is trained.
"""

from collections.abc import Sequence
from dataclasses import replace

from optuna.samplers import RandomSampler

from diffusion.recipe import DataConfig
from search_spaces.space import SearchSpace, Value
from study.engine.design_backbones import PLACE, Backbone, chosen_backbones, drawn_backbones
from study.engine.design_compressions import Branch, choose
from study.engine.design_draws import Candidate, candidates, holds
from study.engine.draws import begun, draw_seed, fixing, suggested
from study.engine.knob_sets import sampling_knobs
from study.run.storage import StudyStorage

MOST_ALIKE = 8  # Compressions of a backbone, where only a longer design has every level.
# Compressions that are drawn, of all backbones together and at least of each.
NUM_DRAWS, LEAST_DRAWS = 128, 32
AHEAD = 2  # Trainings that begin before another compression of the first one: for two workers.
Rows = list[dict[str, Value]]


def with_design(
    space: SearchSpace,
    data: DataConfig,
    storage: StudyStorage,
    seed: int,
    num_trials: int,
    *,
    screens: bool = False,
) -> SearchSpace:
    """Return a space with a design: its own or, where it has none, that of the study.

    Args:
        space: that is searched.
        data: that the models are for.
        storage: of the study; keeps what is made, and gives it again.
        seed: of the study.
        num_trials: that the study has.
        screens: whether compressions are screened beside trials.

    Raises:
        ValueError: nothing that the space draws can be built.
    """
    if space.covering or space.rows:
        return space
    rows = storage.settle_design(lambda: design(space, data, seed, num_trials, screens=screens))
    return replace(space, covering=rows, covering_first=AHEAD if screens else None)


def design(
    space: SearchSpace, data: DataConfig, seed: int, num_trials: int, *, screens: bool = False
) -> Rows:
    """Choose what a study begins with.

    Args:
        space: holds the knobs.
        data: that the models are for.
        seed: of the study; the same one makes the same design.
        num_trials: that the study has, of which the design takes at most two thirds.
        screens: whether compressions are screened beside trials, so that one of each backbone,
            the least compressed, is enough to begin with.

    Returns:
        Knob values, one a trial, in the order in which they are to be tried.

    Raises:
        ValueError: nothing that the space draws can be built.
    """
    most = max(1, 2 * num_trials // 3)
    new_share = 1 - space.reuse_share
    drawn = drawn_backbones(space, data, seed)
    backbones = chosen_backbones(drawn, max(1, round(new_share * most)))
    branches = _branches(space, data, seed, backbones)
    if screens:
        choose(branches, len(branches), len(branches))
        _draw_alike(branches, space, data)
    else:
        alike = min(1 / new_share, MOST_ALIKE) if new_share > 0 else MOST_ALIKE
        choose(branches, min(most, round(alike * len(branches))), most)
    return [candidate.knobs for candidate in _in_order(branches)]


def _branches(
    space: SearchSpace, data: DataConfig, seed: int, backbones: Sequence[Backbone]
) -> list[Branch]:
    """Draw compressions of each backbone."""
    count = max(NUM_DRAWS // len(backbones), LEAST_DRAWS)
    branches = []
    for place, backbone in enumerate(backbones):
        seeds = [draw_seed(seed, PLACE, place, number) for number in range(count)]
        branches.append(Branch(backbone, list(candidates(space, data, seeds, backbone.knobs))))
    return branches


def _draw_alike(branches: Sequence[Branch], space: SearchSpace, data: DataConfig) -> None:
    """Draw from every backbone's first model as from the first one's, where its knobs allow it.

    Trainings are compared on their way by what is drawn from them.
    """
    begun_with = [branch for branch in branches if branch.chosen]
    keys = {branch.chosen[0].recipe.key for branch in begun_with}
    for branch in begun_with[1:]:
        way = dict(sampling_knobs(begun_with[0].chosen[0].knobs))
        knobs = branch.chosen[0].knobs
        trial = begun((), fixing(knobs, RandomSampler(seed=0)))
        suggested(space, trial, data)
        if not all(holds(trial.distributions.get(name), value) for name, value in way.items()):
            continue
        for found in candidates(space, data, [0], {**knobs, **way}):
            if found.knobs == {**knobs, **way} and found.recipe.key not in keys:
                branch.chosen[0] = found
                keys.add(found.recipe.key)


def _in_order(branches: Sequence[Branch]) -> list[Candidate]:
    """Let later trainings wait for compressions of those before, which come in between."""
    places = [
        (AHEAD * number + place, place, candidate)
        for place, branch in enumerate(branches)
        for number, candidate in enumerate(branch.ordered())
    ]
    return [candidate for *_, candidate in sorted(places, key=lambda entry: entry[:2])]
