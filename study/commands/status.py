"""How a run stands: its driver, its trials, and where those that have begun are."""

import time
from argparse import Namespace
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from diffusion.files import whole_path
from study.cluster.nodes import NodeUse, nodes_in_use
from study.cluster.session import ray_session
from study.display.commands import command
from study.display.console import say
from study.results.records import TrialRecord
from study.results.words import format_seconds, name_recipe
from study.run.folder import is_in_use
from study.run.run import Run

RATE_SECONDS = 3600.0  # The rate is that of the trials that ended in the last hour.


def show_status(given: Namespace) -> None:
    """Print how the run stands that a command line names, and its cluster's nodes if asked."""
    run, console = Run.read(whole_path(given.run)), Console(markup=False, emoji=False)
    at_work = is_in_use(run.folder, run.settings.database)
    say(console, f"driver   {'at work' if at_work else without_driver(run)}")
    say(console, f"trials   {trials_line(run, time.time())}")
    running = [record for record in run.records if record.state == "running" and record.recipe]
    if running:
        console.print(running_table(running, time.time(), at_work=at_work))
    if given.address is not None:
        console.print(nodes_table(_nodes(given)))


def without_driver(run: Run) -> str:
    """Say what a run without a driver is: at its end, or to be gone on with."""
    if sum(record.finished for record in run.records) >= run.settings.trials:
        return "gone, all trials have ended"
    own_space = [] if run.settings.space_sha256 is None else ["--space", "FILE"]
    resume = command("study.search", "--resume", run.folder, *own_space)
    return f"gone; go on with: {resume}"


def trials_line(run: Run, now: float) -> str:
    """Say how many trials ended, how, and how fast.

    Args:
        run: as it was read.
        now: in seconds since 1970.
    """
    ended = [record for record in run.records if record.finished]
    counts = Counter(record.outcome for record in ended)
    parts = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    of = f"{len(ended)} of {run.settings.trials} finished"
    late = [r for r in ended if r.end_time is not None and now - r.end_time <= RATE_SECONDS]
    rate = f"; {len(late)} in the last hour" if ended else ""
    return of + (f" ({parts})" if parts else "") + rate


def running_table(records: list[TrialRecord], now: float, *, at_work: bool) -> Table:
    """Return the trials that have begun and have not ended, and where their workers are.

    Args:
        records: of running trials.
        now: in seconds since 1970.
        at_work: whether the driver is, so that they really run.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("trial", "recipe", "begun" if at_work else "cut off, begun", "worker"):
        table.add_column(column, no_wrap=column != "recipe")
    for record in records:
        begun = f"{format_seconds(now - (record.start_time or now))} ago"
        recipe = "" if record.recipe is None else name_recipe(record.recipe)
        table.add_row(*map(Text, (str(record.number), recipe, begun, record.place or "-")))
    return table


def nodes_table(nodes: list[NodeUse]) -> Table:
    """Return the nodes of a cluster, with what of them is in use."""
    table = Table(box=None, pad_edge=False)
    for column in ("node", "CPUs in use", "GPUs in use"):
        table.add_column(column)
    for node in nodes:
        cells = (node.machine, _of(node.cpus_used, node.cpus), _of(node.gpus_used, node.gpus))
        table.add_row(*map(Text, cells))
    return table


def _of(used: float, whole: float) -> str:
    return f"{used:g} of {whole:g}"


def _nodes(given: Namespace) -> list[NodeUse]:
    with ray_session(given.address, insecure=given.insecure):
        return nodes_in_use()
