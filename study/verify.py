"""Score every model near a run's front again, with many images and several seeds.

python -m study.verify runs/quick-001                     3 x 10,000 images, then the front anew
python -m study.verify runs/quick-001 --images 50000 --seeds 5
python -m study.verify runs/quick-001 --replicates 2      also train the front again, twice
python -m study.verify runs/quick-001 --all               every finished trial, not the near ones
"""

import time
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from diffusion.score.digits import DIGITS_SHA256
from study import trial
from study.cli import parser as cli
from study.cluster.resources import resolve_resources
from study.cluster.session import ray_session
from study.display.console import print_front, print_trainings
from study.display.front_folder import write_front
from study.display.page import write_report
from study.display.progress import show_tasks
from study.evaluation.context import RunContext
from study.evaluation.scoring import rescore, rescore_latency
from study.results.front import why_no_front
from study.results.words import format_seconds
from study.run.folder import JOURNAL_NAME, exclusive
from study.run.run import Run
from study.run.settings import RunSettings
from study.run.storage import StudyStorage
from study.verification.file import FEWEST_SEEDS, Plan
from study.verification.session import open_verification, say_missing, score_again, score_near
from study.verification.verified import apply, covers
from study.verification.work import Rescore, RescoreLatency, Verifier

DEFAULT_IMAGES = 10_000


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.verify", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("run", type=Path, help="a run's folder")
    add(
        "--images",
        type=cli.positive_int,
        default=DEFAULT_IMAGES,
        help=f"drawn for each seed (default {DEFAULT_IMAGES:,})",
    )
    add(
        "--seeds",
        type=cli.positive_int,
        default=FEWEST_SEEDS,
        help=f"of the noise, at least {FEWEST_SEEDS} (default {FEWEST_SEEDS})",
    )
    add("--all", action="store_true", help="every finished trial, not those near the front")
    add("--replicates", type=cli.positive_int, help="train the front so many times again")
    add("--time-budget", type=cli.seconds, help="start nothing after this long, like 30m or 2h")
    add("--concurrent-trials", type=cli.positive_int, help="at once (default: what fits)")
    add("--data-dir", type=Path, help="folder of downloaded data sets (default: the run's)")
    add("--address", help="join this Ray cluster, like auto (default: this machine alone)")
    return parser


def main(
    arguments: list[str] | None = None,
    rescore: Rescore = rescore,
    rescore_latency: RescoreLatency = rescore_latency,
) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    if given.seeds < FEWEST_SEEDS:
        raise ValueError(f"--seeds is {given.seeds}; allowed: {FEWEST_SEEDS} or more")
    run_dir = given.run.resolve()
    settings = RunSettings.load(run_dir)
    if given.images < settings.fid_num_images:
        raise ValueError(
            f"--images is {given.images}; allowed: {settings.fid_num_images} or more, as many as "
            "the search drew"
        )
    if settings.extractor is None and settings.extractor_sha256 != DIGITS_SHA256:
        raise ValueError(
            f"run {run_dir} was scored by features {settings.extractor_sha256[:16]}; allowed: "
            f"{DIGITS_SHA256[:16]}, those of this version"
        )
    deadline = None if given.time_budget is None else time.time() + given.time_budget
    with ray_session(given.address), exclusive(run_dir):
        resources = resolve_resources(
            settings.cpus_per_trial, settings.gpus_per_trial, given.concurrent_trials
        )
        verifier = Verifier(
            open_verification(run_dir, Plan(given.images, given.seeds)),
            RunContext.of(run_dir, settings, given.data_dir),
            resources,
            trial.evaluate,
            rescore,
            rescore_latency,
            deadline,
        )
        return _verify(run_dir, settings, verifier, given)


def _verify(run_dir: Path, settings: RunSettings, verifier: Verifier, given: Namespace) -> int:
    """Do what is missing, write the front anew, and say how sure it is."""
    start, console, verification = (
        time.time(),
        Console(markup=False, emoji=False),
        verifier.verification,
    )
    storage = StudyStorage(run_dir / JOURNAL_NAME, settings.objectives, settings.limits)
    run = Run(run_dir, settings, tuple(storage.records()))
    if not run.complete():
        raise ValueError(f"run {run_dir} has no complete trial; allowed: one with a front")
    if given.all:
        score_again(verifier, run.complete(), console)
    else:
        score_near(verifier, run, console)
    say_missing(verification, run, console)
    if not covers(verification, run):
        return cli.INTERRUPTED_STATUS
    verified = apply(verification, run)
    if given.replicates:
        with show_tasks(console, "training again") as on_task:
            verifier.train_again(verified.front(), given.replicates, on_task)
        verification.save_points(verifier.context.trials_dir)
        verified = apply(verification, run)
    rows = write_front(verified)
    write_report(verified, rows)
    print_front(console, rows, run.objectives)
    print_trainings(console, rows)
    console.print(f"verified in {format_seconds(time.time() - start)}", highlight=False)
    if not rows:
        console.print(why_no_front(verified.records), soft_wrap=True, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    cli.run_command(main)
