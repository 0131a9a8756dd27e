"""The rows of a space's design on their way into a study: at once, or in turns with draws."""

from search_spaces.space import SearchSpace
from study.engine.history import History
from study.engine.knob_sets import backbone_knobs
from study.run.storage import IN_LINE, StudyStorage
from study.run.trial_attributes import has_recipe

LEAST_SHARE = 0.01  # Of new backbones, which a space might exclude.


class Line:
    """Puts a design's rows in line, each when its turn comes.

    Which have been is read off the study, so that a resumed one goes on with the next.
    """

    def __init__(self, space: SearchSpace, storage: StudyStorage, history: History) -> None:
        """Put the first rows in line.

        Args:
            space: with the design.
            storage: of the study.
            history: of the study; not changed, but looked at for each turn.
        """
        self._storage, self._history = storage, history
        num_first = len(space.covering)
        if space.covering_first is not None:
            num_first = min(space.covering_first, num_first)
        # Of so many trials one begins with a row, since that trains a new backbone.
        self._turn = round(1 / max(1 - space.reuse_share, LEAST_SHARE))
        self._num_first = num_first
        storage.enqueue(space.covering[:num_first])
        rows, put = [dict(row) for row in space.covering], storage.rows_put_in_line()
        passed = max((place + 1 for place, row in enumerate(rows) if row in put), default=0)
        self._left = rows[passed:]

    def put_due(self) -> bool:
        """Put the next row in line if its turn has come; return whether one was put.

        A further row is due after as many drawn trials as the space's share of reuse asks for,
        and at once while no trial is complete, since there is nothing to draw by.
        """
        if not self._left:
            return False
        trials = self._storage.frozen_trials()
        num_rows = sum(IN_LINE in trial.system_attrs and has_recipe(trial) for trial in trials)
        num_drawn = self._history.num_accepted - num_rows
        is_turn = num_drawn >= (self._turn - 1) * (num_rows - self._num_first + 1)
        return (is_turn or not self._history.complete) and self.put_next()

    def put_next(self) -> bool:
        """Put the next row in line whose backbone was not tried; return whether one is left."""
        while self._left:
            row = self._left.pop(0)
            known = self._history.backbones.get(backbone_knobs(row))
            if known is None or not known.tried:
                self._storage.enqueue([row])
                return True
        return False
