"""The workers of a study: how many there shall be, which are there, and which are not fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from study.cluster.place import Place
from study.cluster.standby import Ready

# No trial is given out before all workers are there, or so long after the first one is: one that
# is free again would take the place of one that has not started yet.
GATHER_SECONDS = 60.0
MOST_BROKEN = 3  # Trials in a row on one node, before it gets no more while others end well.
LARGE = 4  # Workers, from which on many may end their trials at once.
REREAD_SECONDS = 2.0  # How old what is known of the cluster may be.
# Of standbys in a row that died before they were there; each is waited after a second longer.
MOST_DEATHS, LONGEST_PAUSE_SECONDS = 8, 60.0


@dataclass
class _Standby:
    """A worker without a trial; `place` is None while it starts."""

    place: Place | None = None
    is_released: bool = False


class Crew:
    """Counts a study's workers: each starts as a standby, then does one trial after the other."""

    def __init__(
        self,
        capacity: Callable[[], int],
        asked: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without any.

        Args:
            capacity: returns how many there is room for, on machines that are fit or not.
            asked: how many there shall be; None for as many as there is room for.
            clock: returns seconds.
        """
        self._read_capacity, self._asked, self._clock = capacity, asked, clock
        self._capacity, self._read_at = capacity(), clock()
        self._standbys: dict[str, _Standby] = {}  # by Tune's id
        self._unfit: dict[str, str] = {}  # why nodes get no trial, by their ids
        self._broken: dict[str, set[int]] = {}  # trials since the last that ended well, by node
        self._busy = self._free = self._deaths = 0
        self._first_ready: float | None = None
        self._paused_until = clock()
        self._is_gathered = False

    def __contains__(self, tune_id: str) -> bool:
        """Whether it is a standby."""
        return tune_id in self._standbys

    def lacks(self) -> bool:
        """Whether another standby shall begin now."""
        if self._clock() < self._paused_until:
            return False
        idle = sum(not self._is_unfit(standby) for standby in self._standbys.values())
        return idle + self._busy + self._free < self._wanted()

    def begin(self, tune_id: str) -> None:
        """Count a standby that begins."""
        self._standbys[tune_id] = _Standby()

    def note(self, tune_id: str, found: Ready) -> str | None:
        """Note that a standby is there; return what is to be said of its node, if anything."""
        standby = self._standbys[tune_id]
        if standby.place is not None:
            return None
        standby.place = found.place
        self._deaths = 0
        if found.unfit is None:
            self._first_ready = self._first_ready or self._clock()
            return None
        return self._leave_out(found.place, found.unfit)

    def may_take(self) -> bool:
        """Whether a process is free for a trial: of a worker that has ended one, or a standby."""
        return self._free > 0

    def may_leave_free(self) -> bool:
        """Whether a free process may wait a moment for its trial, and still be there for it.

        A standby that has not started would take it, and a process of a node that is not fit
        could be taken in its place; in a small crew there is nothing to wait for.
        """
        is_large = self._busy + self._free >= LARGE
        return is_large and not self._unfit and not self.missing()

    def take(self) -> None:
        """Give a trial to a free process."""
        self._free -= 1
        self._busy += 1

    def drop_free(self) -> None:
        """Count out the free processes: there is no trial for them, and standbys follow."""
        self._free = 0

    def release(self) -> None:
        """Let a standby leave its process to a trial, where one may be given out."""
        ready = [standby for standby in self._standbys.values() if self._is_ready(standby)]
        if ready and self._are_gathered():
            self._is_gathered = True
            ready[0].is_released = True

    def is_released(self, tune_id: str) -> bool:
        """Whether a standby leaves its process."""
        return self._standbys[tune_id].is_released

    def leave(self, tune_id: str, *, died: bool) -> None:
        """Count out a standby that ended; its process is free, unless it died."""
        standby = self._standbys.pop(tune_id)
        self._free += not died and standby.is_released
        if died and standby.place is None:
            self._deaths += 1
            pause = min(float(self._deaths), LONGEST_PAUSE_SECONDS)
            self._paused_until = self._clock() + pause

    def end_trial(
        self, number: int, place: Place | None, *, lives: bool, broke: bool
    ) -> str | None:
        """Count a worker whose trial ended; return what is to be said of its node, if anything.

        Args:
            number: of the trial.
            place: of the worker, where it is known.
            lives: whether the process is there for another one.
            broke: whether the trial broke in a way that may be the node's fault.
        """
        self._busy -= 1
        # On a node that is not fit a standby takes it, to hold it.
        self._free += lives and (place is None or place.node not in self._unfit)
        if place is None:
            return None
        if not broke:
            self._broken.pop(place.node, None)
            if lives:
                self._broken[place.node] = set()
            return None
        broken = self._broken.setdefault(place.node, set())
        broken.add(number)
        others_do = any(not found for node, found in self._broken.items() if node != place.node)
        if len(broken) < MOST_BROKEN or not others_do:
            return None
        return self._leave_out(place, f"{MOST_BROKEN} trials in a row broke there")

    def why_hopeless(self) -> str | None:
        """Say why no trial will ever run, or None."""
        standbys = self._standbys.values()
        if self._busy or self._free or any(s.place and not self._is_unfit(s) for s in standbys):
            return None
        if self._deaths > MOST_DEATHS + self._wanted():
            return f"{self._deaths} worker processes died before they could begin a trial"
        if not self._unfit or self._num_held() < self._room():
            return None
        return f"no node that is there is fit for a trial: {next(iter(self._unfit.values()))}"

    def missing(self) -> int:
        """Return how many workers have not started yet."""
        return sum(standby.place is None for standby in self._standbys.values())

    def _are_gathered(self) -> bool:
        """Whether trials may be given out: all that fit are there, or were waited for."""
        there = sum(standby.place is not None for standby in self._standbys.values())
        if self._is_gathered or there >= min(self._wanted(), self._room()):
            return True
        return self._clock() - (self._first_ready or self._clock()) >= GATHER_SECONDS

    def _wanted(self) -> int:
        # One at least is waited with, where there is no room yet: a cluster may grow for it.
        return max(self._room(), 1) - self._num_held() if self._asked is None else self._asked

    def _room(self) -> int:
        """Return how many workers the cluster has room for."""
        if self._clock() - self._read_at >= REREAD_SECONDS:
            self._capacity, self._read_at = self._read_capacity(), self._clock()
        return self._capacity

    def _num_held(self) -> int:
        """Return how many standbys keep what is not fit from being used."""
        return sum(map(self._is_unfit, self._standbys.values()))

    def _is_ready(self, standby: _Standby) -> bool:
        return not (standby.place is None or standby.is_released or self._is_unfit(standby))

    def _is_unfit(self, standby: _Standby) -> bool:
        return standby.place is not None and standby.place.node in self._unfit

    def _leave_out(self, place: Place, reason: str) -> str | None:
        """Give no trial to a node any more; return what is said of it, once."""
        if place.node in self._unfit:
            return None
        self._unfit[place.node] = f"{place.machine}: {reason}"
        return f"node {place.machine} gets no trials: {reason}"
