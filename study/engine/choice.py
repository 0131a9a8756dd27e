"""Which trial is next: one that waited for a training, one in line, or one that is drawn.

What cannot end before the time is up is not begun. A row in line stays running in the storage, so
that a resume with more time begins with it; what is drawn is taken back.
"""

import math
from collections import deque
from collections.abc import Sequence

from diffusion.recipe import Recipe
from study.engine.effort import Allowance, Effort
from study.engine.pace import Pace
from study.engine.proposer import Nothing, Proposal, Proposer
from study.engine.trainings import Trainings
from study.results.records import TrialRecord

# Drawn proposals that wait for a training; drawing more ahead would waste knowledge. Those in
# line were known before, so any number of them may wait.
MOST_HELD = 16
# The share of a first training, once which is done a worker that is free waits for it: what it
# would train meanwhile is chosen blindly, and its compressions promise more.
NEARLY_TRAINED = 0.75
MOST_LATE = 4  # Drawn ones that are taken back, before none is drawn any more.


class Choice:
    """Chooses the next trial, so that a recipe whose backbone is in training has to wait.

    Attributes:
        looking: whether the last look for a proposal was cut off, so that none was found yet.
        exhausted: whether the space held nothing new when it was last asked.
    """

    def __init__(
        self, proposer: Proposer, trainings: Trainings, records: Sequence[TrialRecord]
    ) -> None:
        """Take up where a study's records end: trials that were left running come first."""
        self.looking = self.exhausted = False
        self._proposer = proposer
        self._storage = proposer.storage
        self._trainings = trainings
        self._no_new_backbone = False
        self._drawn_held: set[int] = set()  # numbers of those that were not in line
        self._pace = Pace(records)
        self._most, self._num_late = Effort.TRAINING, 0
        # What has begun is gone on with, whatever the time: how much of it is left is not known.
        self._begun = {r.number for r in records if r.state == "running" and r.rungs}
        self._held = deque(
            (r.number, r.recipe) for r in records if r.state == "running" and r.recipe is not None
        )

    def next(
        self,
        running: list[Recipe],
        room: float,
        seconds_left: float = math.inf,
        most_trained: float = 0.0,
    ) -> Proposal | None:
        """Choose the next trial.

        Args:
            running: the recipes of the trials that run.
            room: how many trials may be begun besides; those that wait are among them.
            seconds_left: in which what it trains has to end.
            most_trained: the share that is done of the running training that is farthest.

        Returns:
            Its number and recipe; None where all have to wait, or there is no other one.
        """
        self.looking = False
        held = self._take_held(running, seconds_left)
        waits = self._trainings.awaits_first and most_trained >= NEARLY_TRAINED
        if held or (waits and not self._proposer.has_named_rows):
            return held
        return self._take_new(running, room, seconds_left)

    def put_back(self, proposal: Proposal) -> None:
        """Let a trial that broke be the next one."""
        self._held.appendleft(proposal)
        self._begun.add(proposal[0])

    def note_end(self, record: TrialRecord) -> None:
        """Note that a trial ended, after which there may be something new again."""
        self.exhausted = self._no_new_backbone = False
        self._pace.note_end(record)

    def _take_held(self, running: list[Recipe], seconds_left: float) -> Proposal | None:
        for number, recipe in tuple(self._held):
            if self._trainings.is_busy(recipe, running):
                continue
            if self._is_late((number, recipe), seconds_left):
                continue
            self._held.remove((number, recipe))
            self._drawn_held.discard(number)
            if reason := self._trainings.refusal(recipe):
                self._storage.withdraw(number, reason)
                continue
            return number, recipe
        return None

    def _take_new(
        self, running: list[Recipe], room: float, seconds_left: float
    ) -> Proposal | None:
        while self._num_in_time(seconds_left) < room and not self._is_over():
            if self._has_to_train():
                return self._take_new_backbone(seconds_left)
            # What each other worker begins, while this one trains; or it alone, before its end.
            trials_meanwhile = (room - 1) / max(len(running), 1)
            proposal = self._proposer.propose(Allowance(self._most, trials_meanwhile))
            if isinstance(proposal, Nothing):
                self.looking = proposal is Nothing.NOT_YET
                self.exhausted = proposal is Nothing.EXHAUSTED
                return None
            number, recipe = proposal
            drawn = not self._storage.was_in_line(number)
            late = self._is_late(proposal, seconds_left)
            if drawn and late:
                self._take_back(proposal)
            elif late or self._trainings.is_busy(recipe, running):
                self._held.append(proposal)
                if drawn:
                    self._drawn_held.add(number)
            else:
                return proposal
        return None

    def _is_late(self, proposal: Proposal, seconds_left: float) -> bool:
        """Whether what a trial has to train would not end in time."""
        number, recipe = proposal
        if math.isinf(seconds_left) or number in self._begun:
            return False
        images = self._trainings.images_left([recipe])
        return self._pace.seconds(recipe, images) > seconds_left

    def _num_in_time(self, seconds_left: float) -> int:
        return sum(not self._is_late(proposal, seconds_left) for proposal in self._held)

    def _is_over(self) -> bool:
        return self.exhausted or self._num_late >= MOST_LATE

    def _take_back(self, proposal: Proposal) -> None:
        """End a drawn trial that would be late, and draw none any more that takes as much."""
        number, recipe = proposal
        trains = self._trainings.images_left([recipe]) > recipe.compression.finetune_images
        takes = Effort.TRAINING if trains else Effort.COOL_DOWN
        self._most = min(self._most, Effort(takes - 1))
        self._num_late += 1
        self._storage.withdraw(number, "what it trains would not end within the time budget")

    def _has_to_train(self) -> bool:
        """Whether another draw would but wait, so that only a new backbone is of use.

        Before any training is done it would be blind besides: what it might be is not screened.
        """
        too_soon = not self._trainings.any_done
        full = len(self._drawn_held) >= MOST_HELD
        return (too_soon or full) and not self._proposer.line_up()

    def _take_new_backbone(self, seconds_left: float) -> Proposal | None:
        if self._no_new_backbone or self._most < Effort.TRAINING:
            return None
        proposal = self._proposer.propose_anew()
        if isinstance(proposal, Nothing):
            self.looking = proposal is Nothing.NOT_YET
            self._no_new_backbone = not self.looking
            return None
        if self._is_late(proposal, seconds_left):
            self._take_back(proposal)
            return None
        return proposal
