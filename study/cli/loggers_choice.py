"""Which trackers a search is asked to log to."""

from collections.abc import Sequence
from typing import Any

from study.run.loggers import check_loggers, new_tracking_id
from study.run.settings import RunSettings
from study.trackers.tracking import check_trackers

NONE = "none"


def logger_settings(
    given: Sequence[str] | None, resumed: RunSettings | None = None
) -> dict[str, Any]:
    """Return the settings of what is logged, checked before anything starts.

    Args:
        given: names of trackers, or `none` alone; None for those of the resumed run.
        resumed: the run that goes on; None for a new one.

    Raises:
        ValueError: one is unknown or repeated, or cannot be used here.
    """
    known = () if resumed is None else resumed.loggers
    loggers = known if given is None else check_loggers([] if list(given) == [NONE] else given)
    check_trackers(loggers)
    tracking_id = None if resumed is None else resumed.tracking_id
    if loggers and tracking_id is None:
        tracking_id = new_tracking_id()
    return {"loggers": loggers, "tracking_id": tracking_id}
