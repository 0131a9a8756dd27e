"""Search for the Pareto front of small diffusion models of a data set.

python -m study.search                                  the quick space on embedded digits
python -m study.search --space mnist --dataset mnist --data-dir DIR --trials 100
python -m study.search --time-budget 30m --seed 1 --name digits
python -m study.search --resume runs/quick-001          go on after Ctrl-C or a crash
python -m study.search --dry-run                        print the resolved study and stop
"""

import json
import logging
import shutil
import signal
import time
from pathlib import Path

from rich.console import Console

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study import trial
from study.cli import parser as cli
from study.cli.resolve import new_settings, resumed_settings
from study.cli.search_options import DEFAULT_SPACE, build_parser
from study.cluster.resources import Resources, resolve_resources
from study.cluster.session import ray_session
from study.cluster.tuner import run_trials
from study.display.console import print_front
from study.display.front_folder import write_front
from study.display.live import LiveView
from study.display.page import write_report
from study.engine.budget import Budget
from study.engine.dispatcher import Dispatcher
from study.engine.feasibility import excess
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listeners
from study.evaluation import scoring
from study.evaluation.context import Evaluate, RunContext
from study.results.front import why_no_front
from study.results.objectives import aims
from study.results.rows import FrontRow
from study.results.words import format_seconds
from study.run.folder import JOURNAL_NAME, exclusive, new_run_dir
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage
from study.run.stores import open_store
from study.verification.file import Verification
from study.verification.session import SHORT_PLAN, SHORT_SECONDS, verify_briefly
from study.verification.verified import verified_run
from study.verification.work import Rescore, RescoreLatency, Verifier


def main(
    arguments: list[str] | None = None,
    evaluate: Evaluate = trial.evaluate,
    rescore: Rescore = scoring.rescore,
    rescore_latency: RescoreLatency = scoring.rescore_latency,
) -> int:
    """Run the command; `evaluate` is what a trial does, the others how it is verified."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # It would warn of kernels that nobody asked for, where a limit is known before training.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    given = build_parser(__doc__.splitlines()[0]).parse_args(arguments)
    resumed = None if given.resume is None else RunSettings.load(given.resume)
    if resumed is not None:
        run_dir = given.resume.resolve()
    else:
        space = load_space(given.space or DEFAULT_SPACE)
        run_dir = new_run_dir(given.out or Path("runs"), given.name, space.name)
    wanted = new_settings(given) if resumed is None else resumed_settings(given, resumed)
    with ray_session(given.address):
        # Ctrl-C reaches Tune by itself; give SIGTERM the same clean end, in place of Ray's.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        resources = resolve_resources(
            wanted["cpus_per_trial"], wanted["gpus_per_trial"], wanted["concurrent_trials"]
        )
        settings = RunSettings(**{**wanted, **resources.to_dict()})
        if given.dry_run:
            print(json.dumps({"run_dir": str(run_dir), **settings.to_json()}, indent=2))
            return 0
        run_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(run_dir):
            start, console = time.time(), Console(markup=False, emoji=False)
            storage = _open(run_dir, settings, new=resumed is None)
            ended = _search(run_dir, settings, resources, storage, evaluate, console)
            if ended and not given.no_verify:
                verifier = Verifier(
                    Verification.load(run_dir) or Verification.new(run_dir, SHORT_PLAN),
                    RunContext.of(run_dir, settings),
                    *(resources, evaluate, rescore, rescore_latency),
                    time.time() + SHORT_SECONDS,
                )
                run = Run(run_dir, settings, tuple(storage.records()))
                verify_briefly(verifier, run, console)
            run = Run(run_dir, settings, tuple(storage.records()))
            return _finish(run, console, interrupted=not ended, start=start)


def _open(run_dir: Path, settings: RunSettings, *, new: bool) -> StudyStorage:
    """Open a run's study; a resume that is refused leaves its settings as they were."""
    if new:
        save_settings(run_dir, settings)
    storage = StudyStorage(run_dir / JOURNAL_NAME, settings.objectives, settings.limits)
    open_store(RunContext.of(run_dir, settings).store_dir)
    if not new:
        save_settings(run_dir, settings)
    return storage


def _search(
    run_dir: Path,
    settings: RunSettings,
    resources: Resources,
    storage: StudyStorage,
    evaluate: Evaluate,
    console: Console,
) -> bool:
    """Run the trials that are missing; return whether nothing cut them off."""
    records = storage.records()
    _introduce(console, run_dir, settings, sum(record.finished for record in records))
    trainings = Trainings(records, settings.objectives, reuse=settings.reuse)

    def refusal(recipe: Recipe) -> str | None:
        return trainings.refusal(recipe) or excess(recipe, settings.limits)

    proposer = Proposer(
        settings.load_space(),
        DataConfig.from_dict(settings.data),
        storage,
        settings.seed,
        reuse=settings.reuse,
        refusal=refusal,
    )
    seconds = settings.time_budget_seconds
    budget = Budget(
        settings.trials,
        None if seconds is None else time.time() + seconds,
        settings.train_images_total,
    )
    view = LiveView(console, settings.trials, records, seconds, settings.objectives)
    dispatcher = Dispatcher(
        proposer,
        trainings,
        budget,
        Listeners([view]),
        sweep_front=settings.sweep_front,
        retries=settings.retries,
    )
    scratch_dir = run_dir / ".tune"
    context = RunContext.of(run_dir, settings)
    try:
        with view:
            run_trials(dispatcher, evaluate, context, resources, scratch_dir)
        if dispatcher.halted:
            raise OSError(dispatcher.halted)
    except OSError as error:
        raise OSError(f"{error}; mend that, then go on with --resume {run_dir}") from error
    finally:
        shutil.rmtree(scratch_dir, ignore_errors=True)
    return dispatcher.ended


def _introduce(console: Console, run_dir: Path, settings: RunSettings, finished: int) -> None:
    each = f"{settings.cpus_per_trial:g} CPU"
    if settings.gpus_per_trial:
        each += f" and {settings.gpus_per_trial:g} GPU"
    limits = "".join(f", {name} at most {most:,.10g}" for name, most in settings.limits.items())
    where = "on GPUs" if settings.gpus_per_trial else "on CPUs (no GPU asked for or found)"
    console.print(
        f"run      {run_dir}\n"
        f"study    {settings.space} space, {settings.dataset}, {settings.trials} trials "
        f"({finished} finished), {aims(settings.objectives)}{limits}\n"
        f"workers  {settings.concurrent_trials} at once {where}, {each} each",
        soft_wrap=True,
        highlight=False,
    )


def _finish(run: Run, console: Console, *, interrupted: bool, start: float) -> int:
    """Write and print the front, and say what comes next."""
    verified = verified_run(run)
    rows = write_front(verified)
    write_report(verified, rows)
    failed = [record for record in run.records if record.state == "failed"]
    finished = sum(record.finished for record in run.records)
    console.print(
        f"\n{finished} of {max(run.settings.trials, finished)} trials finished, "
        f"{len(failed)} failed, in {format_seconds(time.time() - start)}",
        highlight=False,
    )
    for record in failed:
        console.print(f"trial {record.number} failed: {record.reason}", soft_wrap=True)
    print_front(console, rows, run.objectives)
    if rows:
        _say_next(console, run.folder, rows)
    if interrupted:
        resume = f"python -m study.search --resume {_shortest(run.folder)}"
        console.print(f"interrupted; go on with: {resume}", soft_wrap=True, highlight=False)
        return cli.INTERRUPTED_STATUS
    if not rows:
        console.print(why_no_front(verified.records), soft_wrap=True, highlight=False)
        return 1
    return 0


def _say_next(console: Console, run_dir: Path, rows: list[FrontRow]) -> None:
    best = min(rows, key=lambda row: row["fid"])
    point = run_dir / Path(best["package_path"]).parent
    console.print(
        f"report   {run_dir / 'report.html'}\n"
        f"use it   python -m study.generate {_shortest(point)} -n 64 --out grid.png",
        soft_wrap=True,
        highlight=False,
    )


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    cli.run_command(main)
