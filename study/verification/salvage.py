"""A run as its report shows it, whatever became of its files."""

from dataclasses import dataclass

from study.run.packages import sound_run, unsound
from study.run.run import Run
from study.verification.shown import scored_run

KEPT = "The figures here are {}; the folder front/ was left as it was."


@dataclass(frozen=True)
class Salvage:
    """What can be shown of a run.

    Attributes:
        run: with the scores that can be read.
        fault: what is damaged or missing, so that the front's folder stays as it is: it holds
            more than could be written now. Empty where nothing is.
    """

    run: Run
    fault: str = ""


def salvaged(run: Run) -> Salvage:
    """Return what can be shown of a run; nothing is written.

    Args:
        run: as it was read.
    """
    try:
        scored = scored_run(run)
    except ValueError as error:
        kept = KEPT.format("the search's")
        return Salvage(sound_run(run), f"{error}. {kept}")
    sound = sound_run(scored)
    if sound.front() or not scored.front():
        return Salvage(sound)
    first = unsound(sound)[0]
    lost = f"No trial has its model any more (trial {first.number}: {first.reason})"
    return Salvage(scored, f"{lost}. {KEPT.format('as they were scored')}")
