"""Which trial is next: one that waited for a training, one in line, or one that is drawn."""

from collections import deque
from collections.abc import Iterable

from diffusion.recipe import Recipe
from study.engine.proposer import Nothing, Proposal, Proposer
from study.engine.trainings import Trainings
from study.results.records import TrialRecord

# Drawn proposals that wait for a training; drawing more ahead would waste knowledge. Those in
# line were known before, so any number of them may wait.
MOST_HELD = 16


class Choice:
    """Chooses the next trial, so that a recipe whose backbone is in training has to wait.

    Attributes:
        looking: whether the last look for a proposal was cut off, so that none was found yet.
        exhausted: whether the space held nothing new when it was last asked.
    """

    def __init__(
        self, proposer: Proposer, trainings: Trainings, records: Iterable[TrialRecord]
    ) -> None:
        """Take up where a study's records end: trials that were left running come first."""
        self.looking = self.exhausted = False
        self._proposer = proposer
        self._storage = proposer.storage
        self._trainings = trainings
        self._no_new_backbone = False
        self._drawn_held: set[int] = set()  # numbers of those that were not in line
        self._held = deque(
            (r.number, r.recipe) for r in records if r.state == "running" and r.recipe is not None
        )

    def __len__(self) -> int:
        """How many trials were begun and wait."""
        return len(self._held)

    def next(self, running: list[Recipe], room: float) -> Proposal | None:
        """Choose the next trial.

        Args:
            running: the recipes of the trials that run.
            room: how many trials may be begun besides; those that wait are among them.

        Returns:
            Its number and recipe; None where all have to wait, or there is no other one.
        """
        self.looking = False
        return self._take_held(running) or self._take_new(running, room)

    def put_back(self, proposal: Proposal) -> None:
        """Let a trial that broke be the next one."""
        self._held.appendleft(proposal)

    def note_end(self, record: TrialRecord) -> None:
        """Note that a trial ended, after which there may be something new again."""
        self.exhausted = self._no_new_backbone = False

    def _take_held(self, running: list[Recipe]) -> Proposal | None:
        for number, recipe in tuple(self._held):
            if self._trainings.is_busy(recipe, running):
                continue
            self._held.remove((number, recipe))
            self._drawn_held.discard(number)
            if reason := self._trainings.refusal(recipe):
                self._storage.withdraw(number, reason)
                continue
            return number, recipe
        return None

    def _take_new(self, running: list[Recipe], room: float) -> Proposal | None:
        while len(self._held) < room and not self.exhausted:
            if self._has_to_train():
                return self._take_new_backbone()
            proposal = self._proposer.propose()
            if isinstance(proposal, Nothing):
                self.looking = proposal is Nothing.NOT_YET
                self.exhausted = proposal is Nothing.EXHAUSTED
                return None
            number, recipe = proposal
            if not self._trainings.is_busy(recipe, running):
                return proposal
            self._held.append(proposal)
            if not self._storage.was_in_line(number):
                self._drawn_held.add(number)
        return None

    def _has_to_train(self) -> bool:
        """Whether another draw would but wait, too, so that only a new backbone is of use."""
        too_soon = not self._trainings.any_done and len(self._held) > 0
        full = len(self._drawn_held) >= MOST_HELD
        return (too_soon or full) and not self._proposer.has_line()

    def _take_new_backbone(self) -> Proposal | None:
        if self._no_new_backbone:
            return None
        proposal = self._proposer.propose_anew()
        if isinstance(proposal, Nothing):
            self.looking = proposal is Nothing.NOT_YET
            self._no_new_backbone = not self.looking
            return None
        return proposal
