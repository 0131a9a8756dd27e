"""The verification of a run: its models are scored again, and the front is written anew."""

import functools
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from diffusion.files import whole_path
from diffusion.score.digits import DIGITS_SHA256
from study.cli import parser as cli
from study.cli.resolve import choose_address
from study.cluster.nodes import show_to_nodes
from study.cluster.resources import resolve_resources
from study.cluster.session import ray_session
from study.cluster.supply import supplied
from study.display.commands import command
from study.display.console import print_front, print_soundness, print_trainings, say
from study.evaluation.context import RunContext
from study.results.front import why_no_front
from study.results.rows import FrontRow
from study.results.words import format_seconds
from study.run.folder import exclusive
from study.run.mark import mark
from study.run.mirror import mirroring
from study.run.mirror_state import known_remote
from study.run.packages import sound_run, unsound
from study.run.run import Run
from study.run.settings import RunSettings
from study.run.storage import StudyStorage, open_storage
from study.verification.ending import Ending, attempt, write_verified
from study.verification.file import Verification
from study.verification.point import DEFAULT_IMAGES, FEWEST_SEEDS, Plan
from study.verification.session import Session
from study.verification.tasks import Work
from study.verification.work import Verifier

STATUSES = {
    Ending.DONE: 0,
    Ending.TIME_UP: 1,
    Ending.FAILED: 1,
    Ending.INTERRUPTED: cli.INTERRUPTED_STATUS,
}


def verify(given: Namespace, work: Work) -> int:
    """Verify the run that a command line names; return the exit status."""
    run_dir = whole_path(given.run)
    settings = _settings(run_dir, given)
    deadline = None if given.time_budget is None else time.time() + given.time_budget
    address = choose_address(given.address, settings.address)
    with ray_session(address, insecure=given.insecure), exclusive(run_dir, settings.database):
        resources = resolve_resources(
            settings.cpus_per_trial, settings.gpus_per_trial, given.concurrent_trials
        )
        storage = open_storage(run_dir, settings)
        run = sound_run(Run(run_dir, settings, tuple(storage.records())))
        if not run.complete():
            raise ValueError(f"run {run_dir} has no complete trial; allowed: one with a front")
        text = mark(run_dir)
        context = RunContext.of(run_dir, settings, given.data_dir)
        if address is not None:
            show_to_nodes(run_dir, text, new=False)
            context = supplied(context)
        verifier = Verifier(
            Verification.load(run),
            Plan(given.images, given.seeds),
            context,
            resources,
            work,
            deadline,
        )
        console, go_on = Console(markup=False, emoji=False), go_on_command(run_dir, given)
        session = Session(verifier, console, go_on, given.all, given.replicates or 0)
        return _mirrored(session, storage)


def _settings(run_dir: Path, given: Namespace) -> RunSettings:
    """Return the settings of the run.

    Raises:
        ValueError: there is none, or it would be no surer than now, or scored by other features.
    """
    if given.seeds < FEWEST_SEEDS:
        raise ValueError(f"--seeds is {given.seeds}; allowed: {FEWEST_SEEDS} or more")
    settings = RunSettings.load(run_dir)
    if given.images < settings.fid_num_images:
        raise ValueError(
            f"--images is {given.images}; allowed: {settings.fid_num_images} or more, as many as "
            "the search drew"
        )
    if given.replicates and settings.backbones:
        raise ValueError(
            f"--replicates is {given.replicates}, but space {settings.space!r} trains none; "
            "allowed: without it"
        )
    if settings.extractor is None and settings.extractor_sha256 != DIGITS_SHA256:
        raise ValueError(
            f"run {run_dir} was scored by features {settings.extractor_sha256[:16]}; allowed: "
            f"{DIGITS_SHA256[:16]}, those of this version"
        )
    return settings


def go_on_command(run_dir: Path, given: Namespace) -> str:
    """Return the command that does what one with these options leaves."""
    options: list[object] = []
    if given.images != DEFAULT_IMAGES:
        options += ["--images", given.images]
    if given.seeds != FEWEST_SEEDS:
        options += ["--seeds", given.seeds]
    if given.all:
        options.append("--all")
    for name in ("replicates", "concurrent_trials", "address"):
        if (value := getattr(given, name)) is not None:
            options += [f"--{name.replace('_', '-')}", value]
    if given.insecure:
        options.append("--insecure")
    if given.data_dir is not None:
        options += ["--data-dir", whole_path(given.data_dir)]
    return command("study.verify", run_dir, *options)


def _mirrored(session: Session, storage: StudyStorage) -> int:
    """Verify a run, and bring its mirror up to that."""
    run_dir = session.verifier.verification.run.folder
    tell = functools.partial(say, session.console)
    ended = [record.number for record in storage.records() if record.finished]
    with mirroring(run_dir, known_remote(run_dir), ended, tell, new=False) as mirror:
        status = _verify(session, storage)
    return status if mirror is None or mirror.complete else max(status, 1)


def _verify(session: Session, storage: StudyStorage) -> int:
    """Do what is missing, write the front anew, and say how sure it is."""
    start, console = time.time(), session.console
    done = attempt(console, session.go_on, functools.partial(_work, session, storage))
    if done is None:
        return STATUSES[Ending.FAILED]
    run, rows, ending = done
    print_front(console, rows, run.objectives)
    print_trainings(console, rows)
    print_soundness(console, run)
    if ending == Ending.DONE:
        say(console, f"verified in {format_seconds(time.time() - start)}")
    if not rows:
        say(console, why_no_front(run.records))
    return max(STATUSES[ending], 1 if unsound(run) or not rows else 0)


def _work(session: Session, storage: StudyStorage) -> tuple[Run, Sequence[FrontRow], Ending]:
    ending = session.run()
    run, rows = write_verified(session.verifier.verification, storage)
    return run, rows, ending
