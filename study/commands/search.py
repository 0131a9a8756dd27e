"""The search: a run is begun or gone on with, searched, verified and summed up."""

import contextlib
import functools
import logging
import shutil
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from diffusion.recipe import DataConfig
from search_spaces.space import SearchSpace
from study.cli import parser as cli
from study.cli.config_text import config_text
from study.cli.gpu_share import gpu_share
from study.cli.plan import plan_lines
from study.cli.run_choice import claim, locate, settle
from study.cli.search_options import build_parser
from study.cli.space_choice import run_space
from study.cluster.growing import asking_for_nodes, await_first_node
from study.cluster.hardware import quickest_precision
from study.cluster.nodes import show_to_nodes
from study.cluster.resources import Resources, resolve_resources
from study.cluster.session import ray_session, sigterm_as_ctrl_c
from study.cluster.supply import supplied
from study.display.commands import command
from study.display.console import print_soundness, say
from study.display.live import LiveView
from study.display.refreshing import ReportRefresher
from study.display.serving import open_report
from study.display.summary import introduce, sum_up
from study.engine.mirroring import MirrorListener
from study.engine.warning_keeper import WarningKeeper
from study.evaluation.context import Evaluate, RunContext
from study.results.front import why_no_front
from study.run.folder import exclusive
from study.run.mark import mark
from study.run.mirror import Mirror, mirroring
from study.run.packages import sound_run, unsound
from study.run.remote import Remote
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage, open_storage
from study.run.stores import open_store
from study.run.time_budget import seconds_left
from study.trackers.tracking import tracking
from study.verification.ending import Ending, attempt, write_run
from study.verification.file import FILE_NAME
from study.verification.short import verify_shortly
from study.verification.tasks import Work

# A short verification may leave something; nobody asked for more.
STATUSES = {
    Ending.DONE: 0,
    Ending.TIME_UP: 0,
    Ending.FAILED: 1,
    Ending.INTERRUPTED: cli.INTERRUPTED_STATUS,
}


def search(given: Namespace, work: Work) -> tuple[Path, int]:
    """Run the study that is asked for, or go on; return the run's folder and the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # It would warn of kernels that nobody asked for, where a limit is known before training.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place, remote = locate(given)
    run_dir, wanted = settle(given, place)
    with ray_session(wanted["address"], insecure=given.insecure), sigterm_as_ctrl_c():
        if wanted["address"] is not None and not given.dry_run:
            tell = functools.partial(say, Console(markup=False, emoji=False))
            await_first_node(wanted["cpus_per_trial"], wanted["gpus_per_trial"], tell)
        resources = resolve_resources(
            wanted["cpus_per_trial"],
            wanted["gpus_per_trial"],
            wanted["concurrent_trials"],
            may_grow=wanted["address"] is not None,
            gpu_share=functools.partial(_gpu_share, wanted, given),
        )
        if wanted["drawing_precision"] == cli.AUTO:
            joins = wanted["address"] is not None
            wanted["drawing_precision"] = quickest_precision(resources.device, joins=joins)
        settings = RunSettings(**{**wanted, **resources.to_dict()})
        if given.dry_run:
            sys.stdout.write(_dry_run(run_dir, settings, given))
            return run_dir, 0
        if place is not None:
            run_dir, remote, settings = claim(given, place, settings)
        with exclusive(run_dir, settings.database):
            run = Run(run_dir, settings, records=())
            return run_dir, _mirrored_study(run, remote, resources, work, given)


def _gpu_share(wanted: dict[str, Any], given: Namespace) -> float:
    """Return the share of a GPU that a trial of the run takes by default."""
    # Of the network alone: no precision is known before the device is.
    open_ones = {"precision": None, "drawing_precision": None}
    settings = RunSettings(**{**wanted, **open_ones, **Resources(1.0, 0.0, 1).to_dict()})
    return gpu_share(run_space(settings, given.space), DataConfig.from_dict(settings.data))


def _dry_run(run_dir: Path, settings: RunSettings, given: Namespace) -> str:
    """Return a study as the file that begins it, with what it would do as comments."""
    run = Run(run_dir, settings, records=())
    if given.resume is not None:
        run = run.with_records(open_storage(run_dir, settings).records())
    plan = plan_lines(run, run_space(settings, given.space))
    return config_text(build_parser(""), given, settings, plan)


def _mirrored_study(
    run: Run, remote: Remote | None, resources: Resources, work: Work, given: Namespace
) -> int:
    """Open a run, show that it can be worked on, and do what is missing beside its mirror."""
    new, console = given.resume is None, Console(markup=False, emoji=False)
    joins = run.settings.address is not None
    if joins:  # before a study is begun that may outlive the folder
        show_to_nodes(run.folder, mark(run.folder), new=new)
    storage = _open(run, new=new)
    if not joins:  # after what is no run of ours was refused, which stays as it is
        mark(run.folder)
    run = run.with_records(storage.records())
    ended = [record.number for record in run.records if record.finished]
    tell = functools.partial(say, console)
    with contextlib.ExitStack() as stack:
        if given.open_report:
            stack.enter_context(open_report(run.folder, tell))
        try:
            mirror = stack.enter_context(mirroring(run.folder, remote, ended, tell, new=new))
        except (OSError, ValueError):
            if new:
                shutil.rmtree(run.folder)
            raise
        status = _study(run, storage, resources, work, given, mirror, console)
    return status if mirror is None or mirror.complete else max(status, 1)


def _study(
    run: Run,
    storage: StudyStorage,
    resources: Resources,
    work: Work,
    given: Namespace,
    mirror: Mirror | None,
    console: Console,
) -> int:
    """Search, write the front, verify it, and say what came of it."""
    start = time.time()
    introduce(run, console)
    extra = ["--no-verify"] if given.no_verify else []
    if run.settings.space_sha256 is not None:
        extra += ["--space", given.space]
    go_on = command_on(run, given, "study.search", "--resume", run.folder, *extra)
    space = run_space(run.settings, given.space)
    try:
        ended = _search(run, space, storage, resources, work.evaluate, mirror, console)
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
        short = functools.partial(
            verify_shortly, run, storage, resources, work, console, verify, asked=asked
        )
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
    mirror: Mirror | None,
    console: Console,
) -> bool:
    """Run the trials that are missing; return whether nothing cut them off."""
    # Slow to import: done while the workers start, which they do with Ray's session.
    from study.cluster.tuner import run_trials
    from study.engine.assembly import dispatcher_of

    settings, scratch_dir = run.settings, run.folder / ".tune"
    seconds = seconds_left(settings, run.records)
    view = LiveView(console, settings.trials, run.records, seconds, settings.objectives)
    report = ReportRefresher(run, storage.record)
    mirrors = [] if mirror is None else [MirrorListener(mirror)]
    listeners = [view, WarningKeeper(run.folder), report, *mirrors]
    joins = settings.address is not None
    context = RunContext.of(run.folder, settings)
    if joins:
        context = supplied(context)
    left = settings.trials - sum(record.finished for record in run.records)
    try:
        with (
            tracking(run, functools.partial(say, console)) as trackers,
            view,
            report,
            asking_for_nodes(resources, max(left, 1)) if joins else nullcontext(),
        ):
            dispatcher = dispatcher_of(run, space, storage, *listeners, *trackers)
            run_trials(dispatcher, evaluate, context, resources, scratch_dir)
        if dispatcher.halted:
            raise OSError(dispatcher.halted)
    finally:
        shutil.rmtree(scratch_dir, ignore_errors=True)
    return dispatcher.ended


def command_on(run: Run, given: Namespace, module: str, *arguments: object) -> str:
    """Return a command for a run, which joins the run's cluster as this one may."""
    insecure = ["--insecure"] if given.insecure and run.settings.address is not None else []
    return command(module, *arguments, *insecure)
