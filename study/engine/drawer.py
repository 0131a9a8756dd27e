"""What draws the knobs of a trial: a new backbone, or another compression of a good one.

Where compressions were screened, the trial that promises most for its cost, of what was screened
and of a few new backbones that Optuna draws. Else a new backbone for as long as they cost no more
than scoring does, or another compression of a backbone near the front; Optuna's TPE draws either
from its own view.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler

from diffusion.errors import InfeasibleRecipe
from diffusion.recipe import DataConfig, NetworkConfig
from search_spaces.space import SearchSpace
from study.engine.candidates import Candidate, NetworkCounts
from study.engine.chooser import Chooser
from study.engine.design_draws import network_cost
from study.engine.draws import draw, draw_seed, fixing, tpe, view_tpe
from study.engine.effort import ANYTHING, Allowance, Effort
from study.engine.history import History
from study.engine.knob_sets import Knobs, all_knobs, backbone_knobs
from study.engine.random_draws import draw_at_random
from study.engine.views import backbone_view, compression_view
from study.results.objectives import Scores

# Draws from which TPE takes the most promising one, anew after each that is known already; 0 is
# a draw at random. A good part of the space is soon exhausted, and TPE would not leave it.
CANDIDATES = (24, 3, 0, 0, 0, 0, 0, 0)
# More draws at random where a trial has to train anew: one untried backbone of twelve is missed
# once in 5,000 times.
MORE_CANDIDATES = (0,) * 92
# That the best of what was screened is compared with, drawn anew when backbones have news.
NEW_BACKBONES = 4
# Before compressions are worth a closer look, however long a training takes.
LEAST_BACKBONES = 4
NEW = -2  # The place of their draws among a study's, beside the numbers of trials.
CHANCES = 3  # Compressions refused, after which a backbone is not drawn any more.


class Drawer:
    """Draws knobs from what the ended trials of a study say."""

    def __init__(
        self,
        space: SearchSpace,
        data: DataConfig,
        history: History,
        chooser: Chooser,
        seed: int,
        *,
        reuse: bool,
    ) -> None:
        """Draw for a study.

        Args:
            space: holds the knobs.
            data: that the recipes are for.
            history: of the study; not changed, but looked at in every draw.
            chooser: chooses from what was screened in it.
            seed: of the study.
            reuse: whether backbones are; without, one TPE draws all knobs together.
        """
        self._space = space
        self._data = data
        self._history = history
        self._chooser = chooser
        self._seed = seed
        self._reuse = reuse
        self._drawn_for: object = None  # What was known of backbones when new ones were drawn.
        self._drawn: dict[Knobs, NetworkCounts] = {}  # These, and what their networks count.

    def sampler(self, number: int, allowed: Allowance = ANYTHING) -> BaseSampler:
        """Return what draws the knobs of a trial, by its number and what it may take."""
        seed = draw_seed(self._seed, number)
        if not self._reuse:
            return tpe(seed)
        may_train = allowed.most is Effort.TRAINING
        trainings = self._trainings() if may_train else []
        if knobs := self._chooser.choose(trainings, allowed):
            return fixing(knobs, RandomSampler(seed=seed))
        generator = np.random.default_rng(seed)
        meanwhile = allowed.trials_meanwhile
        outlasts = self._history.timings.outlasts(meanwhile, trains=True, cools=False)
        may_train = may_train and self._may_train() and not outlasts
        backbone = self._new_backbone(generator, CANDIDATES) if may_train else None
        return self._on(backbone or self._tried_backbone(generator), generator, seed)

    def sampler_anew(self, number: int) -> BaseSampler | None:
        """Return what draws the knobs of a trial with a new backbone; None where there is none."""
        seed = draw_seed(self._seed, number)
        generator = np.random.default_rng(seed)
        backbone = self._new_backbone(generator, CANDIDATES + MORE_CANDIDATES)
        return None if backbone is None else self._on(backbone, generator, seed)

    def sampler_at_random(self, number: int) -> BaseSampler:
        """Return what draws the knobs of a trial from the whole space."""
        return RandomSampler(seed=draw_seed(self._seed, number))

    def at_random(self, number: int, places: range) -> Iterator[dict[str, Any]]:
        """Draw knobs for a trial from the whole space, at some places of an endless sequence."""
        seeds = (draw_seed(self._seed, number, place) for place in places)
        for knobs, _ in draw_at_random({}, seeds, self._space, self._data):
            yield knobs

    def _trainings(self) -> list[list[Candidate]]:
        """Return a few new backbones, with what they might be compressed to."""
        backbones = self._history.backbones
        known = [(knobs, b.tried, b.num_refused, b.told) for knobs, b in backbones.items()]
        if self._history.front and known != self._drawn_for:
            self._drawn_for, self._drawn = known, dict(self._new_backbones())
        candidates = self._chooser.candidates
        return [list(candidates.trainings(*drawn)) for drawn in self._drawn.items()]

    def _new_backbones(self) -> Iterator[tuple[Knobs, NetworkCounts]]:
        """Draw a few new backbones, and count their parameters and multiply-accumulates."""
        num_tried = sum(backbone.tried for backbone in self._history.backbones.values())
        for place in range(NEW_BACKBONES):
            generator = np.random.default_rng(draw_seed(self._seed, NEW, num_tried, place))
            backbone = self._new_backbone(generator, CANDIDATES)
            if backbone is None:
                continue
            _, recipe = next(draw_at_random(dict(backbone), [0], self._space, self._data))
            if recipe is None:
                continue
            with suppress(InfeasibleRecipe):  # what cannot be built promises nothing
                network_cost(recipe.network, self._data)
                yield backbone, partial(self._count, recipe.network)

    def _count(self, network: NetworkConfig, channel_ratio: float) -> Scores:
        return network_cost(network, self._data, channel_ratio).scores()

    def _on(self, backbone: Knobs, generator: np.random.Generator, seed: int) -> BaseSampler:
        """Draw the other knobs of a trial of a backbone."""
        view = compression_view(self._history.backbones[knobs] for knobs in self._near())
        knobs: dict[str, Any] = {}
        for num_candidates in CANDIDATES:
            sampler = fixing(dict(backbone), _draw_sampler(generator, num_candidates))
            knobs = draw(view, sampler, self._space, self._data)
            if all_knobs(knobs) not in self._history.known:
                break
        return fixing(knobs, RandomSampler(seed=seed))

    def _near(self) -> list[Knobs]:
        """Return the backbones on the front, each once, however many compressions it has there."""
        return list(dict.fromkeys(backbone_knobs(v.trial.params) for v in self._history.front))

    def _tried_backbone(self, generator: np.random.Generator) -> Knobs:
        """Take one of the front's backbones."""
        # Before there is a front: any backbone that is trained or in training, or none at all.
        tried = [knobs for knobs, known in self._history.backbones.items() if known.tried]
        choices = self._near() or tried or [()]
        return choices[generator.integers(len(choices))]

    def _new_backbone(
        self, generator: np.random.Generator, candidates: tuple[int, ...]
    ) -> Knobs | None:
        """Draw a backbone that was not tried, or return None where that does not succeed."""
        view = backbone_view(self._history.backbones.values())
        for num_candidates in candidates:
            knobs = draw(view, _draw_sampler(generator, num_candidates), self._space, self._data)
            known = self._history.backbones.get(backbone_knobs(knobs))
            if known is None or not (known.tried or known.num_refused >= CHANCES):
                return backbone_knobs(knobs)
        return None

    def _may_train(self) -> bool:
        """Tell whether the share of new backbones is not used up."""
        share = self._history.timings.new_share(1 - self._space.reuse_share)
        tried = sum(backbone.tried for backbone in self._history.backbones.values())
        return tried < LEAST_BACKBONES or tried + 1 <= share * (self._history.num_accepted + 1)


def _draw_sampler(generator: np.random.Generator, num_candidates: int) -> BaseSampler:
    seed = int(generator.integers(2**32))
    return (
        view_tpe(seed, n_ei_candidates=num_candidates) if num_candidates else RandomSampler(seed)
    )
