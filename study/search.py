"""Search for the Pareto front of small diffusion models of a data set.

python -m study.search                                  the quick space on embedded digits
python -m study.search --space mnist --dataset mnist --data-dir DIR --trials 100
python -m study.search --time-budget 30m --seed 1 --name digits
python -m study.search --resume runs/quick-001          go on after Ctrl-C or a crash
python -m study.search --space compress --store DIR     compress stored backbones, train none
python -m study.search --dry-run                        print the resolved study and stop
"""

import contextlib
import dataclasses
import functools
import json
import logging
import shutil
import signal
import time
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from search_spaces.space import SearchSpace
from study import trial
from study.cli import parser as cli
from study.cli.classifier_training import kept_extractor
from study.cli.resolve import new_settings, resumed_settings
from study.cli.search_options import DEFAULT_SPACE, build_parser
from study.cli.space_choice import run_space
from study.cluster.growing import asking_for_nodes
from study.cluster.nodes import check_nodes
from study.cluster.resources import Resources, resolve_resources
from study.cluster.session import ray_session
from study.cluster.tuner import run_trials
from study.display.commands import command
from study.display.console import print_soundness, say
from study.display.live import LiveView
from study.display.summary import introduce, sum_up
from study.engine.assembly import dispatcher_of
from study.evaluation import scoring
from study.evaluation.context import Evaluate, RunContext
from study.results.front import why_no_front
from study.results.rows import FrontRow
from study.run.database import new_study_name
from study.run.folder import claim_run_dir, exclusive, new_run_dir
from study.run.mark import check_mark, mark
from study.run.packages import sound_run, unsound
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage, open_storage
from study.run.stores import open_store
from study.run.time_budget import seconds_left
from study.verification.ending import Ending, attempt, write_run, write_verified
from study.verification.file import FILE_NAME, Verification
from study.verification.point import Plan
from study.verification.session import Session
from study.verification.tasks import Rescore, RescoreLatency, Work
from study.verification.work import Verifier

SHORT_PLAN = Plan(num_images=1_000)
SHORT_SECONDS = 180.0
# A short verification may leave something; nobody asked for more.
STATUSES = {
    Ending.DONE: 0,
    Ending.TIME_UP: 0,
    Ending.FAILED: 1,
    Ending.INTERRUPTED: cli.INTERRUPTED_STATUS,
}


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
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    given = build_parser(__doc__.splitlines()[0]).parse_args(arguments)
    run_dir, wanted = _settle(given)
    with ray_session(wanted["address"], insecure=given.insecure):
        # Ctrl-C reaches Tune by itself; give SIGTERM the same clean end, in place of Ray's.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        resources = resolve_resources(
            wanted["cpus_per_trial"],
            wanted["gpus_per_trial"],
            wanted["concurrent_trials"],
            may_grow=wanted["address"] is not None,
        )
        settings = RunSettings(**{**wanted, **resources.to_dict()})
        if given.dry_run:
            print(json.dumps({"run_dir": str(run_dir), **settings.to_json()}, indent=2))
            return 0
        if given.resume is None:
            run_dir = claim_run_dir(given.out or Path("runs"), given.name, settings.space)
            settings = _with_own_extractor(settings, run_dir, given)
            if settings.storage is not None:
                named = new_study_name(run_dir)
                settings = dataclasses.replace(settings, study_name=named)
        with exclusive(run_dir, settings.database):
            run = Run(run_dir, settings, records=())
            return _study(run, resources, Work(evaluate, rescore, rescore_latency), given)


def _settle(given: Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the run's folder and all of its settings but its resources."""
    if given.resume is not None:
        resumed = RunSettings.load(given.resume)
        return given.resume.resolve(), resumed_settings(given, resumed)
    # Before the space is known to be sound: a name that is taken is said before data is read.
    out, name = given.out or Path("runs"), given.name
    new_run_dir(out, name, DEFAULT_SPACE)
    settings = new_settings(given)
    return new_run_dir(out, name, settings["space"]), settings


def _show_to_nodes(run_dir: Path, text: str, *, new: bool) -> None:
    """Refuse a cluster of which a node does not see the run's folder; a new one is not left.

    Workers of nodes that join later look for the mark, which says `text`, themselves.
    """
    try:
        check_nodes(functools.partial(check_mark, run_dir, text))
    except ValueError:
        if new:
            shutil.rmtree(run_dir)
        raise


def _with_own_extractor(settings: RunSettings, run_dir: Path, given: Namespace) -> RunSettings:
    """Keep the classifier that was trained for a new run in its folder."""
    if given.extractor is not None or settings.extractor is None:
        return settings
    kept = kept_extractor(Path(settings.extractor), run_dir)
    return dataclasses.replace(settings, extractor=str(kept))


def _study(run: Run, resources: Resources, work: Work, given: Namespace) -> int:
    """Open, search, write the front, verify it, and say what came of it."""
    start, console = time.time(), Console(markup=False, emoji=False)
    text = mark(run.folder)
    if run.settings.address is not None:  # before a study is begun that may outlive the folder
        _show_to_nodes(run.folder, text, new=given.resume is None)
    storage = _open(run, new=given.resume is None)
    run = run.with_records(storage.records())
    introduce(run, console)
    extra = ["--no-verify"] if given.no_verify else []
    if run.settings.space_sha256 is not None:
        extra += ["--space", given.space]
    go_on = command_on(run, given, "study.search", "--resume", run.folder, *extra)
    space = run_space(run.settings, given.space)
    try:
        ended = _search(run, space, storage, resources, work.evaluate, console)
    except OSError as error:
        with contextlib.suppress(OSError):  # such as a full disk, which is said below
            # As it was written: what failed to be is known here, but to no later driver.
            written = open_storage(run.folder, run.settings).records()
            write_run(sound_run(run.with_records(written)))
        raise OSError(f"{error}; mend that, then go on with: {go_on}") from error
    run = sound_run(run.with_records(storage.records()))
    rows = write_run(run)  # before anything else, so that it is there whatever comes
    shown, ending = run, Ending.DONE
    asked = ended and not given.no_verify
    if asked or (run.folder / FILE_NAME).exists():
        verify = command_on(run, given, "study.verify", run.folder)
        short = functools.partial(_verify, run, resources, work, console, verify, asked=asked)
        verified = attempt(console, verify, short)
        shown, rows, ending = verified or (run, rows, Ending.FAILED)
    sum_up(run, rows, time.time() - start, console)
    print_soundness(console, shown)
    if not ended:
        say(console, f"interrupted; go on with: {go_on}")
        return cli.INTERRUPTED_STATUS
    if not rows:
        say(console, why_no_front(shown.records))
    return max(STATUSES[ending], 1 if unsound(shown) or not rows else 0)


def _open(run: Run, *, new: bool) -> StudyStorage:
    """Open a run's study; a resume that is refused leaves its settings as they were."""
    if new:
        save_settings(run.folder, run.settings)
    storage = open_storage(run.folder, run.settings)
    seconds_left(run.settings, storage.records())
    open_store(RunContext.of(run.folder, run.settings).store_dir)
    if not new:
        save_settings(run.folder, run.settings)
    return storage


def _search(
    run: Run,
    space: SearchSpace,
    storage: StudyStorage,
    resources: Resources,
    evaluate: Evaluate,
    console: Console,
) -> bool:
    """Run the trials that are missing; return whether nothing cut them off."""
    settings, scratch_dir = run.settings, run.folder / ".tune"
    view = LiveView(
        console,
        settings.trials,
        run.records,
        seconds_left(settings, run.records),
        settings.objectives,
    )
    dispatcher = dispatcher_of(run, space, storage, view)
    context = RunContext.of(run.folder, settings)
    left = settings.trials - sum(record.finished for record in run.records)
    joins = settings.address is not None
    try:
        with view, asking_for_nodes(resources, max(left, 1)) if joins else nullcontext():
            run_trials(dispatcher, evaluate, context, resources, scratch_dir)
        if dispatcher.halted:
            raise OSError(dispatcher.halted)
    finally:
        shutil.rmtree(scratch_dir, ignore_errors=True)
    return dispatcher.ended


def _verify(
    run: Run, resources: Resources, work: Work, console: Console, go_on: str, *, asked: bool
) -> tuple[Run, list[FrontRow], Ending]:
    """Score the front again, as far as time allows, and write it anew."""
    verification, ending = Verification.load(run), Ending.DONE
    if asked:
        context = RunContext.of(run.folder, run.settings)
        deadline = time.time() + SHORT_SECONDS
        verifier = Verifier(verification, SHORT_PLAN, context, resources.now(), work, deadline)
        ending = Session(verifier, console, go_on).run()
    shown, rows = write_verified(verification)
    return shown, rows, ending


def command_on(run: Run, given: Namespace, module: str, *arguments: object) -> str:
    """Return a command for a run, which joins the run's cluster as this one may."""
    insecure = ["--insecure"] if given.insecure and run.settings.address is not None else []
    return command(module, *arguments, *insecure)


if __name__ == "__main__":
    cli.run_command(main)
