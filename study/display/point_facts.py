"""What is said of one model: its figures, how they were measured, and the command that uses it."""

from diffusion.compress.package import PACKAGE_NAME
from diffusion.recipe import Recipe
from study.display.cells import conditions
from study.display.commands import command
from study.results.rows import TIMED_ALONE, FrontRow, as_row
from study.results.words import format_bytes, format_figure, name_recipe
from study.run.run import Run

Facts = dict[str, str]


def point_facts(run: Run, row: FrontRow) -> Facts:
    """Return what there is to say of a complete trial, by short headings.

    Args:
        run: of the trial.
        row: of the front, or of a trial that is not on it.
    """
    alone = (run.record(row["trial"]).scores or {}).get(TIMED_ALONE)
    beside = "with nothing else running" if alone else "with other trials running"
    facts = {
        "model": name_recipe(as_made(run, row["trial"])),
        "trial": point_name(row),
        "size": f"{format_bytes(row['size_bytes'])} ({row['size_bytes']:,} bytes)",
        "FID": f"{row['fid']:.2f} (95 %: {format_figure(row['fid_low'], '.2f')} to "
        f"{format_figure(row['fid_high'], '.2f')})",
        "measured": conditions(row) + ("" if row["verified_seeds"] else "; not verified"),
        "held out": f"FID {format_figure(row['fid_held_out'], '.2f')}",
        "labels": f"{format_figure(row['label_agreement'], '.1%')} drawn as asked for",
        "latency": f"{format_figure(row['latency_ms'], '.3g')} ms an image, {beside}",
    }
    if row["front_probability"] is not None:
        facts["on front"] = f"with a probability of {row['front_probability']:.0%}"
    return facts


def point_name(row: FrontRow) -> str:
    """Name a trial, with its rank where it is on the front: 21, rank 6 of the front."""
    rank = row.get("rank")
    return str(row["trial"]) if rank is None else f"{row['trial']}, rank {rank} of the front"


def trial_point(run: Run, number: int) -> FrontRow:
    """Return a trial's row, with its rank where it is on the front and None elsewhere.

    Raises:
        ValueError: there is no such trial, or it is not complete.
    """
    for row in run.rows():
        if row["trial"] == number:
            return row
    return {"rank": None, **as_row(run.record(number), f"trials/{number}/{PACKAGE_NAME}")}


def as_made(run: Run, number: int) -> Recipe:
    """Return the recipe of a complete trial."""
    recipe = run.record(number).recipe
    assert recipe is not None, number
    return recipe


def use_command(run: Run, number: int) -> str:
    """Return the command that draws images with a trial's model."""
    folder = run.model_folder(number)
    return command("study.generate", folder, "-n", 64, "--out", "grid.png")
