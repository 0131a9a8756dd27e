"""The quick-grid space: every combination of a few levels of the quick space's knobs.

A study of it is a table on which searches can be replayed in seconds (`python -m study.record`).
"""

from dataclasses import replace
from itertools import product

from diffusion.recipe import PruneMethod, PruneRegion, Quantization, Track
from search_spaces import knobs, quick
from search_spaces.space import Value

TRACKS: tuple[Track, ...] = ("short", "mid")
QUANTIZATIONS: tuple[Quantization, ...] = ("none", "weights8", "linear4")
METHODS: tuple[PruneMethod, ...] = ("l1", "random")
RATIOS = (0.2, 0.5)
REGIONS: tuple[PruneRegion, ...] = ("all", "middle")


def _rows() -> tuple[dict[str, Value], ...]:
    """Return the trainings first, then what reuses them."""
    backbones = [
        knobs.backbone_row(architecture, widths, groups)
        for architecture in quick.ARCHITECTURES
        for widths in quick.WIDTHS[architecture]
        for groups in quick.GROUPS
    ]
    variants = list(product(TRACKS, QUANTIZATIONS))
    plain = [
        [knobs.variant_row(backbone, *variant) for backbone in backbones] for variant in variants
    ]
    pruned = [
        knobs.variant_row(backbone, *variant, method, ratio, region)
        for variant in variants
        for method, ratio, region in product(METHODS, RATIOS, REGIONS)
        for backbone in backbones
    ]
    return (*(row for rows in plain for row in rows), *pruned)


_ROWS = _rows()

SPACE = replace(
    quick.SPACE, name="quick-grid", covering=_ROWS, trials=len(_ROWS), fid_num_images=200
)
