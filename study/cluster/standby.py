"""Worker processes that stand by, started and checked before any trial is given to them.

A standby is a trial of Tune's that does nothing but hold its process. It ends when a trial of the
study may be given out, which then reuses the process. So a trial's time holds no waiting for a
machine, a process that starts late loses nothing to one that is free, and a machine that is not
fit gets no trial: its standbys hold what it has to the end.
"""

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from diffusion.errors import one_line
from study.cluster.place import Place

STANDBY = "standby"  # In the config of a trial of Tune's that is one.
POLL_SECONDS, LONGEST_POLL_SECONDS, POLL_GROWTH = 0.3, 5.0, 1.2
SHORT_POLLS = 300  # Before they become rarer: workers that gather are to begin at once.


@dataclass(frozen=True)
class Ready:
    """What a standby reports.

    Attributes:
        place: where it runs.
        unfit: why no trial can run there, or None.
    """

    place: Place
    unfit: str | None

    def to_result(self) -> dict[str, Any]:
        """Return it as a result of Tune's, which flattens dictionaries."""
        return {STANDBY: json.dumps({"place": self.place.to_dict(), "unfit": self.unfit})}

    @classmethod
    def from_result(cls, result: dict[str, Any]) -> Self:
        """Return what a result says."""
        values = json.loads(result[STANDBY])
        return cls(Place(**values["place"]), values["unfit"])


def stand_by(check: Callable[[], None], report: Callable[[dict[str, Any]], None]) -> None:
    """Check this machine, and report what came of it again and again.

    Args:
        check: raises where the machine is not fit for a trial.
        report: does not return, once a trial takes over the process.
    """
    result = Ready(Place.here(), _why_unfit(check)).to_result()
    seconds = POLL_SECONDS
    for num_polls in itertools.count():
        report(result)
        time.sleep(seconds)
        if num_polls >= SHORT_POLLS:
            seconds = min(POLL_GROWTH * seconds, LONGEST_POLL_SECONDS)


def _why_unfit(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Exception as error:  # whatever it is, a trial would meet it, too
        return one_line(f"{type(error).__name__}: {error}")
    return None
