"""What a search says before and after its trials."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from diffusion.compress.model_path import FRONT, PICK
from study.display.commands import command
from study.display.console import print_front, say
from study.results.limits import said
from study.results.objectives import aims
from study.results.pick import pick_model
from study.results.rows import FrontRow
from study.results.words import counted, format_seconds, name_backbone, name_precision
from study.run.folder import REPORT_NAME
from study.run.packages import unsound
from study.run.run import Run

MOST_NAMED = 5  # Of the backbones that are compressed.


def introduce(run: Run, console: Console) -> None:
    """Say what is studied, and on what."""
    settings, finished = run.settings, sum(record.finished for record in run.records)
    each = f"{settings.cpus_per_trial:g} CPU"
    if settings.gpus_per_trial:
        each += f" and {settings.gpus_per_trial:g} GPU"
    limits = "".join(f", {limit}" for limit in said(settings.limits))
    trials = counted(settings.trials, "trial")
    where = "on GPUs" if settings.gpus_per_trial else "on CPUs (no GPU asked for or found)"
    say(
        console,
        f"run      {run.folder}\n"
        f"study    {settings.space} space, {settings.dataset}, {trials} "
        f"({finished} finished), {aims(settings.objectives)}{limits}\n"
        f"workers  {settings.concurrent_trials} at once {where}, {each} each"
        f"{name_precision(settings.precision, settings.drawing_precision)}",
    )
    if settings.database is not None:
        say(console, f"storage  {settings.database}")
    if settings.backbones:
        names = [f"{b.key} ({name_backbone(b)})" for b in settings.backbones[:MOST_NAMED]]
        more = len(settings.backbones) - len(names)
        names += [f"{more} more"] if more else []
        say(console, f"compress {', '.join(names)} of {settings.store}; none is trained")


def sum_up(run: Run, rows: Sequence[FrontRow], seconds: float, console: Console) -> None:
    """Say how the trials ended, print the front, and say what to do with it.

    Args:
        rows: of the front.
        seconds: that all of it took.
    """
    unsound_ones = unsound(run)  # told of with the front
    failed = [r for r in run.records if r.state == "failed" and r not in unsound_ones]
    finished = sum(record.finished for record in run.records)
    screened = sum(len(record.screened) for record in run.records)
    beside = f"; {screened:,} more compressions screened" if screened else ""
    say(
        console,
        f"\n{finished} of {counted(max(run.settings.trials, finished), 'trial')} finished, "
        f"{len(failed)} failed, in {format_seconds(seconds)}{beside}",
    )
    for record in failed:
        say(console, f"trial {record.number} failed: {record.reason}")
    for text in run.warnings:
        say(console, f"warned   {text}")
    print_front(console, rows, run.objectives)
    if rows:
        picked = Path(pick_model(rows)["package_path"]).parent.name
        say(console, f"report   {run.folder / REPORT_NAME}")
        say(console, f"pick     {picked}, the smallest model whose FID may be the lowest")
        use = command("study.generate", run.folder / FRONT / PICK, "-n", 64, "--out", "grid.png")
        say(console, f"use it   {use}")
