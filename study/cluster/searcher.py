"""What Tune asks for trials: the dispatcher, seen as a searcher of Tune's."""

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from study.cluster.crew import Crew
from study.cluster.parcel import pack
from study.cluster.place import Place, alive_nodes, lost_nodes
from study.cluster.standby import STANDBY, Ready
from study.engine.dispatcher import Dispatcher

PROCESS_DIED = "its worker process died"
HAND_OVER_SECONDS = 0.3  # That the next proposal waits at most for the latest trial to begin.
SAY_AFTER_SECONDS = 30.0  # That workers wait for resources; again after twice as long each time.


class StudySearcher(Searcher):
    """Hands Tune numbered recipes, and tells the dispatcher how they go and how they end."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        crew: Crew,
        alive_nodes: Callable[[], set[str]] = alive_nodes,
        lost_nodes: Callable[[Collection[str]], set[str]] = lost_nodes,
        what_waits: Callable[[int], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with no trial.

        Args:
            dispatcher: has the trials.
            crew: counts the workers that they are given to.
            alive_nodes: returns the ids of the nodes that are there.
            lost_nodes: returns which of some are gone.
            what_waits: says for what so many workers wait.
            clock: returns seconds.
        """
        super().__init__()
        self._dispatcher, self._crew = dispatcher, crew
        self._alive_nodes, self._lost_nodes = alive_nodes, lost_nodes
        self._what_waits, self._clock = what_waits, clock
        self._latest, self._handed_out_at = "", clock()  # Tune's id of a trial
        self._has_ended = False  # Whether any trial did.
        self._in_vain = False  # Whether it has nothing to give out until another trial ends.
        self._waits_since: float | None = None
        self._say_after = SAY_AFTER_SECONDS
        self._nodes: dict[str, set[str]] = {}  # there when it was handed out; by Tune's id, as all
        self._places: dict[str, Place] = {}
        self._numbers: dict[str, int] = {}
        self._reasons: dict[str, str] = {}  # of trials about to break

    @property
    def is_over(self) -> bool:
        """Whether no trial is handed out any more."""
        return bool(self._dispatcher.ended or self._dispatcher.halted)

    @property
    def num_running(self) -> int:
        """How many trials of the study run."""
        return len(self._numbers)

    def suggest(self, trial_id: str) -> Any:
        """Return the config of a trial or standby, None while none may start, or FINISHED."""
        if reason := self._crew.why_hopeless():
            self._dispatcher.halt(reason)
        self._dispatcher.end_if_done()
        if not self.is_over and self._is_handing_over():
            return None
        config = None if self.is_over else self._next_trial(trial_id)
        if self.is_over:
            return Searcher.FINISHED
        if config is None and self._crew.lacks():
            self._crew.begin(trial_id)
            config = {STANDBY: True}
        if config is None and not self._in_vain:
            self._crew.release()
        self._say_what_waits()
        return config

    def _next_trial(self, trial_id: str) -> dict[str, Any] | None:
        if not self._crew.may_take():
            return None
        assignment = self._dispatcher.next()
        if assignment is None:
            self._crew.drop_free()
            self._in_vain = not self._dispatcher.looking
            return None
        self._crew.take()
        self._latest, self._handed_out_at = trial_id, self._clock()
        self._numbers[trial_id] = assignment.number
        self._nodes[trial_id] = self._alive_nodes()
        recipe = json.dumps(assignment.recipe.to_dict())
        to_screen = pack([other.to_dict() for _, other in assignment.to_screen])
        return {"number": assignment.number, "recipe": recipe, "to_screen": to_screen}

    def _is_handing_over(self) -> bool:
        """Whether the latest trial is about to begin, which Tune does between our answers.

        Where many end at once, the first free process would wait for the proposals to all others.
        """
        if not (self._has_ended and self._crew.may_leave_free()):
            return False
        begins = self._latest in self._numbers and self._latest not in self._places
        return begins and self._clock() - self._handed_out_at < HAND_OVER_SECONDS

    def _say_what_waits(self) -> None:
        """Say that workers wait for resources, ever more rarely for as long as they do."""
        missing, now = self._crew.missing(), self._clock()
        if not missing:
            self._waits_since, self._say_after = None, SAY_AFTER_SECONDS
            return
        self._waits_since = now if self._waits_since is None else self._waits_since
        if now - self._waits_since >= self._say_after:
            self._say_after *= 2
            self._dispatcher.note(self._what_waits(missing))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a running trial's progress on."""
        if trial_id in self._crew:
            self._note(self._crew.note(trial_id, Ready.from_result(result)))
            return
        number = self._numbers.get(trial_id)
        if number is None:
            return
        if "place" in result:
            self._places[trial_id] = Place(**json.loads(result["place"]))
            self._dispatcher.locate(number, str(self._places[trial_id]))
        self._pass_on_progress(number, result)
        if "warning" in result:
            self._dispatcher.warn(number, result["warning"])
        if "screened" in result:
            self._dispatcher.screened(number, json.loads(result["screened"]))
        if "attempt" in result:
            self._reasons[trial_id] = result["attempt"]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on how a trial ended."""
        if trial_id in self._crew:
            self._crew.leave(trial_id, died=error)
            return
        number, result = self._numbers.pop(trial_id), result or {}
        place, known = self._places.pop(trial_id, None), self._nodes.pop(trial_id)
        where = "" if place is None else f" ({place})"
        reason = self._reasons.pop(trial_id, None)
        died = error and reason is None
        is_lost = died and self._is_lost(place, known)
        if "scores" in result:
            self._dispatcher.end(number, json.loads(result["scores"]), None)
        elif "reason" in result:
            self._dispatcher.end(number, None, result["reason"])
        elif is_lost:
            self._dispatcher.lose(number, f"its node was lost{where}")
        elif error:
            self._dispatcher.break_off(number, reason or f"{PROCESS_DIED}{where}")
        elif "halt" not in result and self._dispatcher.is_stopped(number):
            self._pass_on_progress(number, result)  # Tune does not tell of what it stops at
            self._dispatcher.end(number, None, None)
        else:  # cut off before it ended
            self._dispatcher.abandon(number, result.get("halt"))
        broke = error and not is_lost
        self._note(self._crew.end_trial(number, place, lives=not error, broke=broke))
        self._in_vain, self._has_ended = False, True

    def _note(self, news: str | None) -> None:
        if news is not None:
            self._dispatcher.note(news)

    def _pass_on_progress(self, number: int, result: dict[str, Any]) -> None:
        if "stage" in result:
            self._dispatcher.progress(
                number, result["stage"], result["share"], result["trained_images"]
            )

    def _is_lost(self, place: Place | None, known: set[str]) -> bool:
        """Return whether the node of a trial that broke is gone.

        Where it broke before it could say where it ran, any node that is gone may have been its.
        """
        return bool(self._lost_nodes(known if place is None else {place.node}))

    def save(self, checkpoint_path: str) -> None:
        """Write which trials run, for a person to read; nothing is restored from it."""
        Path(checkpoint_path).write_text(json.dumps(self._numbers))

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher for a restore that is never made: leave all out."""
        return {}
