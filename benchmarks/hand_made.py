"""A design of the quick space that was made by hand, to compare the engine's own design with.

Every level of every knob, on six backbones. The small ones with one group come first, with their
variants: they are trained soonest and cover most of the front. It was arranged on runs of the
space, with the networks known that are good for digits.
"""

from search_spaces import knobs
from search_spaces.quick import FINETUNE_IMAGES
from search_spaces.space import Value


def backbone_row(
    architecture: str, widths: str, groups: int, conditioning: str = "narrow"
) -> dict[str, Value]:
    """Return the knob values of one backbone."""
    return {
        "backbone.architecture": architecture,
        f"backbone.{architecture}.widths": widths,
        "backbone.groups": groups,
        "backbone.conditioning": conditioning,
    }


_MINI = backbone_row("mini_ddpm", "24-64", 1)
_TINY_PUBLISHED = backbone_row("mini_ddpm", "12-32", 2, "published")
_TINY = backbone_row("mini_ddpm", "12-32", 1)
_TINY_GROUPED = backbone_row("mini_ddpm", "12-32", 4)
_NCSN = backbone_row("ncsn", "16-32-64-128", 1)
_NCSN_GROUPED = backbone_row("ncsn", "32-64-128-256", 4)
_COOL = FINETUNE_IMAGES[-1]

HAND_MADE = (
    knobs.variant_row(_TINY, "short", "weights8"),
    knobs.variant_row(_MINI, "short", 1.0),
    knobs.variant_row(_TINY, "short", 0.6),
    knobs.variant_row(_TINY, "short", 1.0, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", 2.2, finetune_images=_COOL),
    knobs.variant_row(_TINY, "mid", "weights8"),
    knobs.variant_row(_TINY, "short", 1.6, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", "none"),
    knobs.variant_row(_TINY, "short", 2.8, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", 1.0, ("l1", 0.2, "all")),
    knobs.variant_row(_TINY, "mid", 0.7, guidance=2.5, steps=8),
    knobs.variant_row(_TINY, "short", "linear4", ("random", 0.3, "extremes")),
    knobs.variant_row(_TINY_GROUPED, "short", 0.7),
    knobs.variant_row(_TINY_GROUPED, "mid", "weights8", ("l1", 0.5, "middle"), guidance=2.5),
    knobs.variant_row(_NCSN, "short", "weights8", guidance=1.5),
    knobs.variant_row(_TINY_PUBLISHED, "short", 1.4),
    knobs.variant_row(_TINY, "none", "linear8", guidance=3.0),
    knobs.variant_row(_NCSN_GROUPED, "mid", "weights8"),
    knobs.variant_row(_TINY, "long", "linear4", ("l1", 0.4, "middle")),
    knobs.variant_row(_NCSN, "none", "weights8", ("l1", 0.6, "extremes")),
    knobs.variant_row(_TINY_PUBLISHED, "none", 1.0, ("l1", 0.1, "all")),
    knobs.variant_row(_NCSN_GROUPED, "long", "linear4", ("random", 0.7, "all")),
)
