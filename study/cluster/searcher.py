"""What Tune asks for trials: the dispatcher, seen as a searcher of Tune's."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from study.cluster.place import Place, alive_nodes, lost_nodes
from study.engine.dispatcher import Dispatcher

PROCESS_DIED = "its worker process died"


class StudySearcher(Searcher):
    """Hands Tune numbered recipes, and tells the dispatcher how they go and how they end."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        alive_nodes: Callable[[], set[str]] = alive_nodes,
        lost_nodes: Callable[[Collection[str]], set[str]] = lost_nodes,
    ) -> None:
        """Begin with no trial.

        Args:
            alive_nodes: returns the ids of the nodes that are there.
            lost_nodes: returns which of some are gone.
        """
        super().__init__()
        self._dispatcher = dispatcher
        self._alive_nodes, self._lost_nodes = alive_nodes, lost_nodes
        self._nodes: dict[str, set[str]] = {}  # there when it was handed out; by Tune's id, as all
        self._places: dict[str, Place] = {}
        self._numbers: dict[str, int] = {}
        self._reasons: dict[str, str] = {}  # of trials about to break
        self._most_at_once = 1

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's config, None while nothing may start, or FINISHED."""
        if len(self._numbers) >= self._most_at_once:
            return None
        assignment = self._dispatcher.next()
        if assignment is None:
            over = self._dispatcher.ended or self._dispatcher.halted
            return Searcher.FINISHED if over else None
        self._numbers[trial_id] = assignment.number
        self._nodes[trial_id] = self._alive_nodes()
        recipe = json.dumps(assignment.recipe.to_dict())
        to_screen = json.dumps([other.to_dict() for _, other in assignment.to_screen])
        return {"number": assignment.number, "recipe": recipe, "to_screen": to_screen}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a running trial's progress on."""
        number = self._numbers.get(trial_id)
        if number is None:
            return
        if "place" in result:
            self._places[trial_id] = Place(**json.loads(result["place"]))
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
        number, result = self._numbers.pop(trial_id), result or {}
        lost, where = self._whereabouts(trial_id, error=error)
        reason = self._reasons.pop(trial_id, None)
        if "scores" in result:
            self._dispatcher.end(number, json.loads(result["scores"]), None)
        elif "reason" in result:
            self._dispatcher.end(number, None, result["reason"])
        elif error and reason is None and lost:
            self._dispatcher.lose(number, f"its node was lost{where}")
        elif error:
            self._dispatcher.break_off(number, reason or f"{PROCESS_DIED}{where}")
        elif "halt" not in result and self._dispatcher.is_stopped(number):
            self._pass_on_progress(number, result)  # Tune does not tell of what it stops at
            self._dispatcher.end(number, None, None)
        else:  # cut off before it ended
            self._dispatcher.abandon(number, result.get("halt"))

    def _pass_on_progress(self, number: int, result: dict[str, Any]) -> None:
        if "stage" in result:
            self._dispatcher.progress(
                number, result["stage"], result["share"], result["trained_images"]
            )

    def _whereabouts(self, trial_id: str, *, error: bool) -> tuple[bool, str]:
        """Return whether a trial's node is gone, and in words where it was, as far as is known.

        Where a trial broke before it could say where, any node that is gone may have been its own.
        """
        known, place = self._nodes.pop(trial_id), self._places.pop(trial_id, None)
        candidates = known if place is None else {place.node}
        lost = error and bool(self._lost_nodes(candidates))
        return lost, "" if place is None else f" ({place})"

    def save(self, checkpoint_path: str) -> None:
        """Write which trials run, for a person to read; nothing is restored from it."""
        Path(checkpoint_path).write_text(json.dumps(self._numbers))

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher for a restore that is never made: leave all out."""
        return {}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Take on the limit: Tune's own, wrapped around us, would lose a retried trial."""
        self._most_at_once = max_concurrent
        return True
