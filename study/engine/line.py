"""The rows of a space's design on their way into a study: at once, or in turns with draws."""

from search_spaces.space import SearchSpace
from study.engine.history import History
from study.run.storage import StudyStorage

LEAST_SHARE = 0.01  # Of new backbones, which a space might exclude.


class Line:
    """Puts a design's rows in line, each when its turn comes.

    How many there are already is read off the study, so that a resumed one goes on with the next.
    """

    def __init__(self, space: SearchSpace, storage: StudyStorage, history: History) -> None:
        """Put the first rows in line.

        Args:
            space: with the design.
            storage: of the study.
            history: of the study; not changed, but looked at for each turn.
        """
        self._rows, self._storage, self._history = space.covering, storage, history
        self._num_first = min(space.covering_first or len(self._rows), len(self._rows))
        # One trial in so many trains a new backbone, as a further row does.
        self._turn = round(1 / max(1 - space.reuse_share, LEAST_SHARE))
        storage.enqueue(self._rows[: self._num_first])
        self._num_in_line = max(storage.num_in_line(), self._num_first)

    def put_due(self) -> bool:
        """Put the next row in line if its turn has come; return whether it was.

        A further row is due after as many drawn trials as the space's share of reuse asks for,
        and at once while no trial is complete, since there is nothing to draw by.
        """
        turns = self._num_in_line - self._num_first + 1
        is_turn = self._history.num_accepted >= self._num_first + self._turn * turns - 1
        return (is_turn or not self._history.complete) and self.put_next()

    def put_next(self) -> bool:
        """Put the next row in line, whether it is due or not; return whether there is one."""
        if self._num_in_line >= len(self._rows):
            return False
        self._storage.enqueue([self._rows[self._num_in_line]])
        self._num_in_line += 1
        return True
