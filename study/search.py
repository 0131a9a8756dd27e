"""Search for the Pareto front of small diffusion models of a data set.

python -m study.search                                  the quick space on embedded digits
python -m study.search --space mnist --dataset mnist --data-dir DIR --trials 100
python -m study.search --time-budget 30m --seed 1 --name digits
python -m study.search --resume runs/quick-001          go on after Ctrl-C or a crash
python -m study.search --dry-run                        print the resolved study and stop
"""

import argparse
import json
import logging
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from diffusion.data import DATASET_NAMES, load_dataset
from diffusion.recipe import DataConfig
from diffusion.score.extractor import build_extractor
from search_spaces import SPACES, load_space
from study import cli
from study.dispatch import Dispatcher
from study.front import Row, write_front
from study.live import LiveView, format_seconds
from study.records import DEFAULT_OBJECTIVES, OBJECTIVES, check_objectives
from study.report import print_front, write_report
from study.sampler import Proposer
from study.settings import JOURNAL_NAME, RunSettings, exclusive, new_run_dir, save_settings
from study.storage import StudyStorage
from study.trial import Context, evaluate
from study.tuning import (
    Evaluate,
    Resources,
    ray_session,
    resolve_resources,
    run_trials,
)


def build_parser() -> cli.Parser:
    """Describe the command line; what is not given stays None, so that a resume can tell."""
    parser = cli.Parser(prog="python -m study.search", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--space", help=f"search space: {', '.join(SPACES)} (default quick)")
    add("--dataset", help=f"data: {', '.join(DATASET_NAMES)} (default mnist5k, embedded)")
    add("--data-dir", type=Path, help="folder of downloaded data sets (default $PARETODIFF_DATA)")
    add("--download", action="store_true", help="fetch a missing data set into --data-dir")
    add(
        "--objective",
        action="append",
        help=f"minimised; give it again for more: {', '.join(OBJECTIVES)} "
        f"(default {' and '.join(DEFAULT_OBJECTIVES)})",
    )
    add("--trials", type=cli.positive_int, help="finished trials to reach (default: the space's)")
    add("--time-budget", type=cli.seconds, help="start no trial after this long, like 30m or 2h")
    add("--seed", type=cli.seed, help="of the proposals (default 0)")
    add("--cpus-per-trial", type=cli.cpus, help="a trial's cores and threads (default 1)")
    add("--gpus-per-trial", type=cli.share, help="fractions share a GPU (default 1 if there are)")
    add("--concurrent-trials", type=cli.positive_int, help="at once (default: what fits)")
    add("--address", help="join this Ray cluster, like auto (default: this machine alone)")
    add("--out", type=Path, help="folder of runs (default runs)")
    add("--name", help="name of the run (default: the space's, numbered)")
    add("--resume", type=Path, metavar="RUN", help="go on with this run's folder")
    add("--dry-run", action="store_true", help="print the resolved study and stop")
    return parser


def main(arguments: list[str] | None = None, evaluate: Evaluate = evaluate) -> int:
    """Run the command; `evaluate` is what a trial does."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    given = build_parser().parse_args(arguments)
    resumed = None if given.resume is None else RunSettings.load(given.resume)
    if resumed is not None:
        run_dir = given.resume.resolve()
    else:
        space = load_space(given.space or "quick")
        run_dir = new_run_dir(given.out or Path("runs"), given.name, space.name)
    wanted = _wanted(given) if resumed is None else _wanted_again(given, resumed)
    # From a terminal Ctrl-C reaches Tune by itself; give SIGTERM the same clean end.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with ray_session(given.address):
        resources = resolve_resources(
            wanted.pop("cpus_per_trial"), wanted.pop("gpus_per_trial"), given.concurrent_trials
        )
        settings = RunSettings(**wanted, **resources.to_dict())
        if given.dry_run:
            print(json.dumps({"run_dir": str(run_dir), **settings.to_json()}, indent=2))
            return 0
        run_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(run_dir):
            return _run(run_dir, settings, resources, evaluate)


def _wanted(given: argparse.Namespace) -> dict[str, Any]:
    """Return a new run's settings, all but its resources, checked before anything starts."""
    space = load_space(given.space or "quick")
    objectives = check_objectives(tuple(given.objective or DEFAULT_OBJECTIVES))
    data_dir = None if given.data_dir is None else given.data_dir.expanduser().resolve()
    dataset = load_dataset(given.dataset or "mnist5k", data_dir, download=given.download)
    data = dataset.config()
    build_extractor(data)
    return {
        "space": space.name,
        "dataset": dataset.name,
        "data": vars(data),
        "objectives": objectives,
        "seed": given.seed or 0,
        "trials": given.trials or space.trials,
        "time_budget_seconds": given.time_budget,
        "fid_num_images": space.fid_num_images,
        "data_dir": None if data_dir is None else str(data_dir),
        "cpus_per_trial": given.cpus_per_trial,
        "gpus_per_trial": given.gpus_per_trial,
    }


def _wanted_again(given: argparse.Namespace, resumed: RunSettings) -> dict[str, Any]:
    """Return a resumed run's settings with what may change of them."""
    _check_resume(given, resumed)
    gpus = resumed.gpus_per_trial if given.gpus_per_trial is None else given.gpus_per_trial
    kept = ("space", "dataset", "data", "objectives", "seed", "fid_num_images", "data_dir")
    return {
        **{name: getattr(resumed, name) for name in kept},
        "trials": given.trials or resumed.trials,
        "time_budget_seconds": given.time_budget,
        "cpus_per_trial": given.cpus_per_trial or resumed.cpus_per_trial,
        "gpus_per_trial": gpus,
    }


def _check_resume(given: argparse.Namespace, resumed: RunSettings) -> None:
    """Refuse settings that would make the resumed run another study."""
    for name in ("out", "name"):
        if getattr(given, name) is not None:
            raise ValueError(f"--{name} goes with a new run; --resume keeps the run's folder")
    objectives = None if given.objective is None else tuple(given.objective)
    asked = {"space": given.space, "dataset": given.dataset, "seed": given.seed}
    for name, value in {**asked, "objectives": objectives}.items():
        known = getattr(resumed, name)
        if value is not None and value != known:
            raise ValueError(f"{name} is {value!r}, but the run has {known!r}; allowed: the same")


def _run(run_dir: Path, settings: RunSettings, resources: Resources, evaluate: Evaluate) -> int:
    """Run the trials that are missing, then write the front of what is finished."""
    start, console = time.time(), Console()
    save_settings(run_dir, settings)
    storage = StudyStorage(run_dir / JOURNAL_NAME, settings.objectives)
    records = storage.records()
    finished = [record for record in records if record.finished]
    failed = [record for record in finished if record.state == "failed"]
    console.print(f"run      {run_dir}", soft_wrap=True, highlight=False)
    console.print(
        f"study    {settings.space} space, {settings.dataset}, {settings.trials} trials "
        f"({len(finished)} finished), minimising {' and '.join(settings.objectives)}\n"
        f"workers  {_describe_workers(settings)}",
        soft_wrap=True,
        highlight=False,
    )
    proposer = Proposer(
        load_space(settings.space), DataConfig(**settings.data), storage, settings.seed
    )
    budget = settings.time_budget_seconds
    view = LiveView(console, settings.trials, len(finished), len(failed), budget)
    deadline = None if budget is None else start + budget
    dispatcher = Dispatcher(proposer, settings.trials, deadline, view)
    context = Context(
        dataset=settings.dataset,
        data_dir=None if settings.data_dir is None else Path(settings.data_dir),
        trial_dir=run_dir / "trials",
        store_dir=run_dir / "backbones",
        fid_num_images=settings.fid_num_images,
        device=settings.device,
        threads=settings.threads,
    )
    scratch_dir = run_dir / ".tune"
    try:
        with view:
            run_trials(dispatcher, evaluate, context, resources, scratch_dir)
    except OSError as error:
        raise OSError(f"{error}; mend that, then go on with --resume {run_dir}") from error
    finally:
        shutil.rmtree(scratch_dir, ignore_errors=True)
    return _finish(
        run_dir, settings, storage, console, interrupted=not dispatcher.ended, start=start
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
    records = storage.records()
    rows = write_front(run_dir, records, settings.objectives)
    write_report(run_dir, settings, records, rows)
    failed = [record for record in records if record.state == "failed"]
    finished = sum(record.finished for record in records)
    console.print(
        f"\n{finished} of {settings.trials} trials finished, {len(failed)} failed, "
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
        console.print("no trial is complete, so there is no front")
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


def _describe_workers(settings: RunSettings) -> str:
    each = f"{settings.cpus_per_trial:g} CPU"
    if settings.gpus_per_trial:
        each += f" and {settings.gpus_per_trial:g} GPU"
    where = "on GPUs" if settings.gpus_per_trial else "on CPUs (no GPU asked for or found)"
    return f"{settings.concurrent_trials} at once {where}, {each} each"


if __name__ == "__main__":
    cli.run_command(main)
