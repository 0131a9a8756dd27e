"""The compressions of a design: for each backbone several, over all sizes, with every level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from study.engine.design_backbones import Backbone
from study.engine.design_draws import Candidate

Worth = tuple[float, ...]


@dataclass
class Branch:
    """A backbone, with compressions of it.

    Attributes:
        drawn: to choose from.
        chosen: in the order in which they were.
    """

    backbone: Backbone
    drawn: Sequence[Candidate]
    chosen: list[Candidate] = field(default_factory=list)

    def ordered(self) -> list[Candidate]:
        """Return the chosen: the least compressed one, then the cheap ones, large ones first."""
        rest = sorted(self.chosen[1:], key=lambda c: (self.cool_down_macs(c), -self.size_bytes(c)))
        return [*self.chosen[:1], *rest]

    def size_bytes(self, candidate: Candidate) -> float:
        """Estimate the length of a model's file."""
        return self.backbone.cost.size_bytes(candidate.recipe)

    def cool_down_macs(self, candidate: Candidate) -> int:
        """Return the multiply-accumulates of a model's cool-down."""
        return self.backbone.cost.cool_down_macs(candidate.recipe)

    def gap(self, candidate: Candidate) -> float:
        """Return how far a model's size is from those chosen, as the logarithm of a ratio."""
        size = self.size_bytes(candidate)
        ratios = (size / self.size_bytes(other) for other in self.chosen)
        return min(abs(math.log(ratio)) for ratio in ratios)


class _Choice:
    """Chooses one compression after the other, no recipe twice.

    Attributes:
        missing: levels that do not occur yet.
    """

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.missing = {level for b in branches for c in b.drawn for level in c.levels}
        self._keys: set[str] = set()

    def take(self, branch: Branch) -> bool:
        """Choose for a backbone: first its least compressed model, then what is new.

        Returns:
            Whether there was one to choose.
        """

        def worth(candidate: Candidate) -> Worth:
            num_new, cool_down = self._num_new(candidate), branch.cool_down_macs(candidate)
            if branch.chosen:
                return num_new, branch.gap(candidate), -cool_down
            return branch.size_bytes(candidate), -cool_down, num_new

        left = self._left(branch)
        if not left:
            return False
        best = max(left, key=worth)
        branch.chosen.append(best)
        self._keys.add(best.recipe.key)
        self.missing -= best.levels
        return True

    def most_new(self, branch: Branch) -> int:
        """Return how many missing levels a backbone can bring at once."""
        return max(map(self._num_new, self._left(branch)), default=0)

    def _left(self, branch: Branch) -> list[Candidate]:
        return [c for c in branch.drawn if c.recipe.key not in self._keys]

    def _num_new(self, candidate: Candidate) -> int:
        return len(candidate.levels & self.missing)


def choose(branches: Sequence[Branch], least: int, most: int) -> None:
    """Choose compressions of all backbones in turn, then what has levels that do not occur yet.

    Args:
        branches: of the backbones; take in what is chosen.
        least: to choose, where there are so many.
        most: to choose, for levels that do not occur yet.
    """
    choice = _Choice(branches)
    num_chosen = sum(choice.take(branch) for branch in islice(cycle(branches), least))
    while choice.missing and num_chosen < most:
        branch = max(branches, key=choice.most_new)
        if choice.most_new(branch) == 0:
            break  # A recipe with them is chosen already, with other knobs.
        num_chosen += choice.take(branch)
