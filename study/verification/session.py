"""A verification as its user sees it: the short one that ends a search, and its progress."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from study.display.progress import show_tasks
from study.results.records import TrialRecord
from study.run.run import Run
from study.verification.confidence import within_reach
from study.verification.file import Plan, Verification
from study.verification.verified import covers, judged
from study.verification.work import Verifier

SHORT_PLAN = Plan(num_images=1_000)
SHORT_SECONDS = 180.0


def verify_briefly(verifier: Verifier, run: Run, console: Console) -> None:
    """Verify what is within reach of the front at the end of a search, as far as time allows."""
    try:
        score_near(verifier, run, console)
    except KeyboardInterrupt:
        console.print("verification interrupted")
    say_missing(verifier.verification, run, console)


def score_near(verifier: Verifier, run: Run, console: Console) -> None:
    """Score what is within reach of the front, and what that brings within reach.

    A trial whose verified scores are over a limit keeps others off the front no more.
    """
    tried: set[int] = set()
    while near := [r for r in _near(verifier.verification, run) if r.number not in tried]:
        score_again(verifier, near, console)
        tried.update(record.number for record in near)


def _near(verification: Verification, run: Run) -> list[TrialRecord]:
    """Return the trials within reach, those on the search's front first: time may be short."""
    seen = judged(verification, run)
    front = {record.number for record in seen.front()}
    near = within_reach(seen.records, run.objectives)
    return sorted(near, key=lambda record: record.number not in front)


def say_missing(verification: Verification, run: Run, console: Console) -> None:
    """Say what is within reach of the front and not verified, and what that means."""
    near = _near(verification, run)
    missing = [r.number for r in near if verification.missing_seeds(r.number)]
    if not missing:
        return
    meaning = "they are left out of the front"
    if not covers(verification, run):
        meaning = "the front stays that of the search"
    console.print(
        f"{len(missing)} of {len(near)} trials within reach of the front are not verified, so "
        f"{meaning}; go on with: python -m study.verify {verification.path.parent}",
        soft_wrap=True,
        highlight=False,
    )


def open_verification(run_dir: Path, plan: Plan) -> Verification:
    """Return the run's verification of this plan, or a new one where it has another."""
    found = Verification.load(run_dir)
    return found if found and found.plan == plan else Verification.new(run_dir, plan)


def score_again(verifier: Verifier, records: Sequence[TrialRecord], console: Console) -> None:
    """Say what is verified, and do what is missing of it."""
    plan = verifier.verification.plan
    console.print(
        f"verify   {len(records)} trials, {plan.num_seeds} x {plan.num_images:,} images each",
        highlight=False,
    )
    with show_tasks(console, "drawing again") as on_task:
        verifier.score(records, on_task)
    verifier.verification.save_points(verifier.context.trials_dir)
    for record in records:
        if reason := verifier.verification.point(record.number).reason:
            console.print(f"trial {record.number} cannot be scored again: {reason}")
