"""Trials that broke: how often each is begun again, and when it is not they that are at fault.

What another attempt might mend is not recorded at once. Where several trials in a row break in the
same way, the machine, the data or the code is at fault; recording them would eat the study, since
a resume does not begin again what failed. So a failure is held back, and its trial stays running
in the storage, until another trial ends otherwise.
"""

import re
from collections import Counter
from dataclasses import dataclass

# Of machines under one trial; then it may be the trial that they are lost by.
MOST_LOSSES = 20
MOST_ALIKE = 3  # In a row; then the study comes to a halt.
# Trial numbers, sizes, keys in paths: words with a digit in them differ where a fault is the same.
_VARYING = re.compile(r"\w*\d\w*")


@dataclass(frozen=True)
class Failure:
    """A trial that broke once too often.

    Attributes:
        number: the trial's.
        reason: why it broke the last time.
        wall_seconds: that its last attempt took.
    """

    number: int
    reason: str
    wall_seconds: float

    @property
    def kind(self) -> str:
        """The reason without what differs between trials."""
        return _VARYING.sub("#", self.reason)


class Failures:
    """Counts attempts, and holds back failures for as long as they are all alike."""

    def __init__(self, retries: int) -> None:
        """Begin without any.

        Args:
            retries: how often a trial that breaks is begun again.
        """
        self._retries = retries
        self._attempts: Counter[int] = Counter()  # that broke
        self._losses: Counter[int] = Counter()
        self._held_back: list[Failure] = []

    def __len__(self) -> int:
        """How many are held back."""
        return len(self._held_back)

    def may_retry(self, number: int) -> bool:
        """Count an attempt that broke; return whether there is another one."""
        self._attempts[number] += 1
        return self._attempts[number] <= self._retries

    def lose(self, number: int) -> bool:
        """Count an attempt whose machine was lost; return whether that counts as no failure."""
        self._losses[number] += 1
        return self._losses[number] <= MOST_LOSSES

    def hold_back(self, failure: Failure) -> list[Failure]:
        """Hold a failure back; return those before it that are of another kind, to be recorded."""
        alike = not self._held_back or self._held_back[-1].kind == failure.kind
        others = [] if alike else self.release()
        self._held_back.append(failure)
        return others

    def release(self) -> list[Failure]:
        """Return those held back, in order, to be recorded."""
        released, self._held_back = self._held_back, []
        return released

    def systematic(self) -> str | None:
        """Say why it is not the trials that are at fault; None where they may be."""
        if len(self._held_back) < MOST_ALIKE:
            return None
        reason = self._held_back[-1].reason
        return f"{len(self._held_back)} trials in a row failed alike: {reason}"
