"""Proposals: which recipe is tried next.

First what is in line: the first rows of the study's design. Then what the drawer draws, or the
design's further rows when their turn comes. Where that is refused again and again, the whole space
is looked through at random, in memory alone, before it is said to hold nothing new.
"""

from enum import Enum
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.admission import Admission, Refusal
from study.engine.chooser import Chooser
from study.engine.drawer import Drawer
from study.engine.draws import fixing, recipe_of, suggested
from study.engine.effort import ANYTHING, Allowance
from study.engine.learning import Learning
from study.engine.line import Line
from study.engine.screening_draws import NUM_SCREENED, ScreeningDraws
from study.run.storage import StudyStorage

MOST_REFUSALS = 100  # In a row that are recorded, the second half of them drawn anywhere.
# Then so many are drawn that a space where one draw in 200 is allowed is called exhausted once in
# 20,000 times (0.995 ** 2000 = 4e-5); so many of them at once take a few tenths of a second.
MOST_FURTHER_DRAWS, FURTHER_DRAWS_AT_ONCE = 2_000, 200
Proposal = tuple[int, Recipe]


class Nothing(Enum):
    """Why there is no proposal.

    Attributes:
        NOT_YET: the look for one was cut off to serve others; ask again.
        EXHAUSTED: there is none, unless the end of another trial changes that.
    """

    NOT_YET = "not yet"
    EXHAUSTED = "exhausted"


class Proposer:
    """Asks a study for its next trials.

    Attributes:
        storage: of the study; proposals depend on the finished trials in it.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: DataConfig,
        storage: StudyStorage,
        seed: int,
        *,
        reuse: bool = True,
        refusal: Refusal | None = None,
        num_screened: int = NUM_SCREENED,
    ) -> None:
        """Take up a study.

        Args:
            space: that is searched.
            data: that the models are for.
            storage: of the study.
            seed: of the study.
            reuse: whether backbones are; without, one TPE draws all knobs together.
            refusal: says why a new recipe that can be built is not to be run, or None.
            num_screened: compressions to screen beside each trial.
        """
        self.storage = storage
        self._space = space
        self._data = data
        self._admission = Admission(refusal)
        self._known = Learning(storage, self._admission)
        # Of named rows there are no others, and without reuse no other trial could use them.
        self._screens = num_screened if reuse and not space.rows else 0
        history, screened = self._known.history, self._known.screened
        chooser = Chooser(history, screened, storage.objectives, storage.limits)
        self._drawer = Drawer(space, data, history, chooser, seed, reuse=reuse)
        self._screening = ScreeningDraws(space, data, screened, seed)
        self._num_further = 0  # Draws in memory, since a trial began or ended.
        self._num_ended = 0  # Trials, when the first of them was made.
        self._line = Line(space, storage, history)

    @property
    def has_named_rows(self) -> bool:
        """Whether the space is a list of recipes, all of which are asked for."""
        return bool(self._space.rows)

    def propose(self, allowed: Allowance = ANYTHING) -> Proposal | Nothing:
        """Start the next trial that can be built, is new and is not refused.

        Args:
            allowed: what a drawn trial may take; what is in line comes anyway.

        Returns:
            Its number and recipe, or why there is none.
        """
        self._admission.begin()
        while not self._admission.is_spent:
            num_waiting = self._known.learn()
            if not self._known.orphans and not num_waiting:
                if self._space.rows:
                    return Nothing.EXHAUSTED
                refused = self._known.num_refused >= MOST_REFUSALS
                put = self._line.put_next if refused else self._line.put_due
                if put():
                    continue
                if refused:
                    return self._look_further()
            with self.storage.at_once():
                proposal = self._accept(self._start(num_waiting, allowed))
            if proposal:
                return proposal
        return Nothing.NOT_YET

    def propose_anew(self) -> Proposal | Nothing:
        """Start a trial that trains a new backbone, where nothing is in line.

        Returns:
            Its number and recipe, or why there is none; the space may hold others even so.
        """
        self._admission.begin()
        while not self._admission.is_spent:
            self._known.learn()
            sampler = self._drawer.sampler_anew(self._known.num_seen)
            if sampler is None or self._known.num_refused >= MOST_REFUSALS:
                return Nothing.EXHAUSTED
            with self.storage.at_once():
                proposal = self._accept(self.storage.ask(sampler))
            if proposal:
                return proposal
        return Nothing.NOT_YET

    def to_screen(self, number: int) -> list[tuple[dict[str, Any], Recipe]]:
        """Return knobs and recipes to screen beside a trial."""
        if not self._screens:
            return []
        record = self.storage.record(number)
        return self._screening.draw(number, record.knobs, self._screens, record.screened)

    def note_end(self, number: int) -> None:
        """Note that a trial ended, beside which something was to be screened."""
        self._screening.forget(number)

    def line_up(self) -> bool:
        """Put the design's next row in line where nothing is; return whether anything is then."""
        return self._known.learn() > 0 or bool(self._known.orphans) or self._line.put_next()

    def _accept(self, trial: optuna.Trial) -> Proposal | None:
        """Keep a started trial's number and recipe, or end it where it is not to be run."""
        try:
            recipe = suggested(self._space, trial, self._data)
            reason = self._admission.why_not(recipe)
        except InvalidRecipe as error:
            reason = str(error)
        if reason is not None:
            self._known.num_refused += 1
            self.storage.refuse(trial, reason)
            return None
        self._num_further = 0
        self._known.accept(trial.number, recipe, trial.params)
        self.storage.accept(trial, recipe)
        return trial.number, recipe

    def _look_further(self) -> Proposal | Nothing:
        """Draw from the whole space until something is allowed; what is not leaves no trace."""
        if self._num_ended < self._known.num_ended:  # which may allow what was refused before
            self._num_further, self._num_ended = 0, self._known.num_ended
        end = min(self._num_further + FURTHER_DRAWS_AT_ONCE, MOST_FURTHER_DRAWS)
        number, places = self._known.num_seen, range(self._num_further, end)
        for knobs in self._drawer.at_random(number, places):
            self._num_further += 1
            if self._is_allowed(knobs):
                sampler = fixing(knobs, self._at_random(number))
                return self._accept(self.storage.ask(sampler)) or Nothing.NOT_YET
            if self._admission.is_spent:
                break
        return Nothing.EXHAUSTED if self._num_further >= MOST_FURTHER_DRAWS else Nothing.NOT_YET

    def _is_allowed(self, knobs: dict[str, object]) -> bool:
        try:
            recipe = recipe_of(self._space, knobs, self._data)
            return self._admission.why_not(recipe) is None
        except InvalidRecipe:
            return False

    def _start(self, num_waiting: int, allowed: Allowance) -> optuna.Trial:
        """Start the trial that is next: cut off before its recipe, in line, or drawn."""
        orphans = self._known.orphans
        number = orphans[0] if orphans else self._known.num_seen - num_waiting
        # Where a view has nothing new any more, another part of the space may.
        anywhere = self._known.num_refused >= MOST_REFUSALS // 2
        if anywhere or (num_waiting > 0 and not orphans):
            sampler = self._at_random(number)
        else:
            sampler = self._drawer.sampler(number, allowed)
        if orphans:
            return self.storage.reopen(orphans.pop(0), sampler)
        return self.storage.ask(sampler)

    def _at_random(self, number: int) -> BaseSampler:
        return self._drawer.sampler_at_random(number)
