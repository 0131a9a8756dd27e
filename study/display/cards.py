"""Cards of models: what each is, how good, and how to use it, as Markdown."""

from collections.abc import Sequence
from typing import Any

from diffusion.recipe import SamplingConfig
from study.display.cells import noise_share
from study.display.render import render_markdown
from study.results.rows import FrontRow, drawn_images, quantization, real_images
from study.results.words import format_figure, name_sampling


def card(
    row: FrontRow,
    run: str,
    sampling: SamplingConfig,
    *,
    has_samples: bool,
    warnings: Sequence[str] = (),
) -> str:
    """Return the card of a front point, as Markdown.

    Args:
        row: of the point.
        run: its name.
        sampling: that its images were drawn by.
        has_samples: whether a sheet of them lies beside the card.
        warnings: that the run's trials gave.
    """
    values = card_values(row, sampling, warnings)
    return render_markdown("card.md.j2", run=run, has_samples=has_samples, **values)


def card_values(
    row: FrontRow, sampling: SamplingConfig, warnings: Sequence[str]
) -> dict[str, Any]:
    """Return what the table of a model's figures, and what is to be known of them, is made of.

    Args:
        row: of the model.
        sampling: that its images were drawn by.
        warnings: that the trials of its run gave.
    """
    pruning = row["prune_method"]
    if pruning != "none":
        pruning = f"{pruning} {row['prune_ratio']:.0%} of {row['prune_region']}"
    return {
        "row": row,
        "warnings": warnings,
        "pruning": pruning,
        "quantization": quantization(row),
        "sampling": name_sampling(sampling),
        "drawn": None if row["fid"] is None else drawn_images(row),
        "real": real_images(row),
        "figure": format_figure,
        "share": None if row["fid"] is None else noise_share(row),
    }
