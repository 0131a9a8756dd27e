"""A published system's rows: published and measured values side by side."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from diffusion.recipe import DataConfig
from search_spaces.space import Row
from study.display.render import markdown_text
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.words import counted
from study.run.run import Run

Cells = dict[str, Any]
NOTHING, NOT_RUN = "-", "not run"
TEXTS = ROW, STATE = "row", "state"


def table_rows(run: Run) -> list[Cells]:
    """Return the rows of a run's space that were asked for, in their published order.

    Args:
        run: on a space with named rows.

    Returns:
        For each row its name, alias, trial, state and the reason for it, and the published and
        measured values, None where there is none.

    Raises:
        ValueError: the space has no named rows.
    """
    settings = run.settings
    space = settings.load_space()
    if not space.rows:
        raise ValueError(f"space {settings.space!r} has no published rows; allowed: system-...")
    data = DataConfig.from_dict(settings.data)
    by_recipe = {r.recipe.key: r for r in run.records if r.recipe is not None}
    return [
        _cells(row, by_recipe.get(space.recipe(row.knobs, data).key))
        for row in space.rows
        if row.knobs in space.covering
    ]


def _cells(row: Row, record: TrialRecord | None) -> Cells:
    scores: Scores = (record.scores or {}) if record is not None else {}
    latency_ms = scores.get("latency_ms")
    return {
        "row": row.name,
        "alias": row.alias,
        "trial": None if record is None else record.number,
        "state": NOT_RUN if record is None else record.outcome,
        "reason": None if record is None else record.reason,
        **_pair("parameters", row.published, scores),
        "nonzero_parameters": scores.get("nonzero_parameters"),
        **_pair("gzip_state_dict_bytes", row.published, scores),
        **_pair("size_bytes", row.published, scores),
        **_pair("fid", row.published, scores),
        "fid_held_out": scores.get("fid_held_out"),
        **_pair("ssim", row.published, scores),
        "label_balance": scores.get("label_balance"),
        "label_agreement": scores.get("label_agreement"),
        **_pair("latency_ms", row.published, scores),
        "seconds_per_10000_images": None if latency_ms is None else 10 * latency_ms,
        **_pair("train_ms_per_epoch", row.published, scores),
        "train_images": scores.get("train_images"),
        "finetune_seconds": scores.get("finetune_seconds"),
    }


def _pair(name: str, published: Mapping[str, float], scores: Scores) -> Cells:
    return {f"{name}_published": published.get(name), name: scores.get(name)}


def as_markdown(rows: list[Cells]) -> str:
    """Write the table for people; columns in which no row has anything are left out.

    Args:
        rows: as `table_rows` returns them, at least one.

    Returns:
        A Markdown table of aligned columns, whose texts stand left and numbers right.
    """
    table = pd.DataFrame(
        {heading: [write(cells) for cells in rows] for heading, write in MARKDOWN}
    )
    table = table.loc[:, (table != NOTHING).any()]
    sides = ["left" if heading in TEXTS else "right" for heading in table.columns]
    # Numbers are written already: without their commas and zeros they would not be ours.
    return table.to_markdown(index=False, colalign=sides, disable_numparse=True) + "\n"


def as_csv(rows: list[Cells]) -> str:
    """Write the table for programs: every value as it is, a header first.

    Args:
        rows: as `table_rows` returns them, at least one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def conditions(run: Run) -> str:
    """Say what the measured values hold for, and what the published FIDs are worth.

    Args:
        run: on a space with named rows.
    """
    settings = run.settings
    complete = [r for r in run.records if r.recipe is not None and r.scores is not None]
    if not complete:
        return f"Space {settings.space}: no row is complete yet."
    recipes = [r.recipe for r in complete if r.recipe is not None]
    scores: Scores = complete[0].scores or {}
    noise = scores.get("fid_noise")  # Every trial of ours has it; a journal may be damaged.
    said = f"{noise:.0f}" if isinstance(noise, int | float) else "unknown"
    lengths = sorted({recipe.training.train_images for recipe in recipes})
    samplings = sorted({f"{r.sampling.sampler} in {r.sampling.steps} steps" for r in recipes})
    measured = (
        f"Space {settings.space}, data {settings.dataset}, formulation {settings.formulation}, "
        f"{' or '.join(f'{length:,}' for length in lengths)} training images, sampler "
        f"{', '.join(samplings)}; FID of {settings.fid_num_images:,} images on the features of "
        f"{scores.get('extractor')} ({str(scores.get('extractor_sha256'))[:8]}), uniform noise "
        f"{said}; {counted(settings.threads, 'torch thread')} a trial, "
        f"{settings.concurrent_trials} at once on {settings.device}."
    )
    return f"{measured} {settings.load_space().published_note}".rstrip()


def _row_name(cells: Cells) -> str:
    name = f"{cells['row']} (page: {cells['alias']})" if cells["alias"] else cells["row"]
    return markdown_text(name)


def _state(cells: Cells) -> str:
    """Say why a row has no values, or too large ones; nothing where all is well."""
    if cells["state"] == "complete":
        return NOTHING
    reason = markdown_text(cells["reason"] or "")
    if cells["state"] == "stopped early" and reason:
        return reason  # says so itself
    return f"{cells['state']}: {reason}" if reason else str(cells["state"])


def _nonzero(cells: Cells) -> str:
    if cells["parameters"] is None:
        return NOTHING
    return f"{cells['nonzero_parameters']:,} of {cells['parameters']:,}"


def _column(name: str, digits: int = 0, scale: float = 1.0) -> Callable[[Cells], str]:
    def write(cells: Cells) -> str:
        value = cells[name]
        return NOTHING if value is None else f"{scale * value:,.{digits}f}"

    return write


MARKDOWN: tuple[tuple[str, Callable[[Cells], str]], ...] = (
    (ROW, _row_name),
    (STATE, _state),
    ("parameters, theirs", _column("parameters_published")),
    ("non-zero, ours", _nonzero),
    ("gzip bytes, theirs", _column("gzip_state_dict_bytes_published")),
    ("gzip bytes, ours", _column("gzip_state_dict_bytes")),
    ("file bytes, theirs", _column("size_bytes_published")),
    ("file bytes, ours", _column("size_bytes")),
    ("FID, theirs", _column("fid_published", 2)),
    ("FID, ours", _column("fid", 2)),
    ("FID held out, ours", _column("fid_held_out", 2)),
    ("SSIM, theirs", _column("ssim_published", 4)),
    ("SSIM, ours", _column("ssim", 4)),
    ("balance, ours", _column("label_balance", 3)),
    ("ms an image, theirs", _column("latency_ms_published", 1)),
    ("ms an image, ours", _column("latency_ms", 1)),
    ("s for 10,000, ours", _column("seconds_per_10000_images")),
    ("s an epoch, theirs", _column("train_ms_per_epoch_published", 1, 1e-3)),
    ("s an epoch, ours", _column("train_ms_per_epoch", 1, 1e-3)),
)
