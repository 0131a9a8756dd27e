"""The one model of a run that suits a wish."""

from study.results.pick import Wish, why_none
from study.results.rows import FrontRow
from study.run.run import Run
from study.verification.shown import shown_run


def picked(run: Run, wish: Wish) -> tuple[Run, FrontRow]:
    """Pick a model of a run.

    Args:
        run: as it was read.
        wish: what it is picked by.

    Returns:
        The run, narrowed to what comes into question, and the model's row. Its rank is that on
        the study's own front, None where it is not on that.

    Raises:
        ValueError: no model is left; the message says how near the finished ones come.
    """
    seen = shown_run(run, wish.filter(run.objectives))
    if not (rows := seen.rows()):
        raise ValueError(why_none(seen.records, seen.chosen))
    row = wish.pick(rows)
    study = shown_run(run) if seen.chosen else seen
    ranks = {own["trial"]: own["rank"] for own in study.rows()}
    return seen, {**row, "rank": ranks.get(row["trial"])}
