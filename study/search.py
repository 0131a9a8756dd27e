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
from study import cli, scoring, trial
from study.context import Context
from study.dispatch import Budget, Dispatcher
from study.feasibility import excess
from study.front import Row, why_no_front, write_front
from study.live import LiveView
from study.options import DEFAULT_SPACE, build_parser, new_settings, resumed_settings
from study.records import aims
from study.report import print_front, write_report
from study.rescoring import SHORT_PLAN, SHORT_SECONDS, verify_briefly
from study.rungs import Rungs
from study.sampler import Proposer
from study.settings import JOURNAL_NAME, RunSettings, exclusive, new_run_dir, save_settings
from study.storage import StudyStorage
from study.stores import open_store
from study.tuning import Resources, ray_session, resolve_resources, run_trials
from study.units import format_seconds
from study.verification import Verification, verified_records
from study.verifier import Rescore, RescoreLatency, Verifier
from study.worker import Evaluate


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
            start, console = time.time(), Console()
            storage = _open(run_dir, settings, new=resumed is None)
            ended = _search(run_dir, settings, resources, storage, evaluate, console)
            if ended and not given.no_verify:
                verifier = Verifier(
                    Verification.load(run_dir) or Verification.new(run_dir, SHORT_PLAN),
                    Context.of_run(run_dir, settings),
                    *(resources, rescore, rescore_latency, time.time() + SHORT_SECONDS),
                )
                verify_briefly(verifier, storage.records(), settings, console)
            return _finish(run_dir, settings, storage, console, interrupted=not ended, start=start)


def _open(run_dir: Path, settings: RunSettings, *, new: bool) -> StudyStorage:
    """Open a run's study; a resume that is refused leaves its settings as they were."""
    if new:
        save_settings(run_dir, settings)
    storage = StudyStorage(run_dir / JOURNAL_NAME, settings.objectives, settings.limits)
    open_store(Context.of_run(run_dir, settings).store_dir)
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
    rungs = Rungs(settings.objectives, records)

    def refusal(recipe: Recipe) -> str | None:
        return rungs.refusal(recipe) or excess(recipe, settings.limits)

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
        rungs,
        budget,
        view,
        reuse=settings.reuse,
        sweep_front=settings.sweep_front,
        retries=settings.retries,
    )
    scratch_dir = run_dir / ".tune"
    context = Context.of_run(run_dir, settings)
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


def _finish(
    run_dir: Path,
    settings: RunSettings,
    storage: StudyStorage,
    console: Console,
    *,
    interrupted: bool,
    start: float,
) -> int:
    """Write and print the front, and say what comes next."""
    records = verified_records(run_dir, storage.records(), settings.objectives, settings.limits)
    rows = write_front(run_dir, records, settings.objectives)
    write_report(run_dir, settings, records, rows)
    failed = [record for record in records if record.state == "failed"]
    finished = sum(record.finished for record in records)
    console.print(
        f"\n{finished} of {max(settings.trials, finished)} trials finished, {len(failed)} failed, "
        f"in {format_seconds(time.time() - start)}",
        highlight=False,
    )
    for record in failed:
        console.print(f"trial {record.number} failed: {record.reason}", soft_wrap=True)
    print_front(console, rows)
    if rows:
        _say_next(console, run_dir, rows)
    if interrupted:
        resume = f"python -m study.search --resume {_shortest(run_dir)}"
        console.print(f"interrupted; go on with: {resume}", soft_wrap=True, highlight=False)
        return cli.INTERRUPTED_STATUS
    if not rows:
        console.print(why_no_front(records), soft_wrap=True, highlight=False)
        return 1
    return 0


def _say_next(console: Console, run_dir: Path, rows: list[Row]) -> None:
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
