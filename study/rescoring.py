"""A verification as its user sees it: the short one that ends a search, and its progress."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from study.confidence import within_reach
from study.front import front_records
from study.records import TrialRecord
from study.verification import Plan, Verification
from study.verifier import OnTask, Verifier

SHORT_PLAN = Plan(num_images=1_000)
SHORT_SECONDS = 180.0


def verify_briefly(
    verifier: Verifier,
    records: Sequence[TrialRecord],
    objectives: tuple[str, ...],
    console: Console,
) -> None:
    """Verify what is within reach of the front at the end of a search, as far as time allows."""
    near = within_reach(records, objectives)
    if not near:
        return
    front = {record.number for record in front_records(records, objectives)}
    near.sort(key=lambda record: record.number not in front)  # what time allows, the front first
    try:
        score_again(verifier, near, console)
    except KeyboardInterrupt:
        console.print("verification interrupted")
    say_missing(verifier.verification, records, objectives, console)


def say_missing(
    verification: Verification,
    records: Sequence[TrialRecord],
    objectives: tuple[str, ...],
    console: Console,
) -> None:
    """Say what is within reach of the front and not verified, and what that means."""
    near = within_reach(records, objectives)
    missing = [r.number for r in near if verification.missing_seeds(r.number)]
    if not missing:
        return
    meaning = "they are left out of the front"
    if not verification.covers(records, objectives):
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
    verifier.verification.save_points(verifier.context.trial_dir)
    for record in records:
        if reason := verifier.verification.point(record.number).reason:
            console.print(f"trial {record.number} cannot be scored again: {reason}")


@contextmanager
def show_tasks(console: Console, name: str) -> Iterator[OnTask]:
    """Show a bar of tasks while they run; yields what is to be told of them."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
