"""The mnist space: wider and longer, for hours on a few cores or a GPU."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import optuna

from diffusion.config import choices
from diffusion.recipe import (
    DataConfig,
    PruneMethod,
    PruneRegion,
    Quantization,
    Recipe,
    Track,
    TrainingConfig,
)
from search_spaces import knobs
from search_spaces.space import SearchSpace, Value

ARCHITECTURES = ("ncsn", "mini_ddpm")
WIDTHS = {
    "ncsn": ("16-32-64-128", "24-48-96-192", "32-64-128-256", "48-96-192-384"),
    "mini_ddpm": ("16-32", "16-48", "24-64", "32-64", "32-96", "16-32-64", "32-64-128"),
}
GROUPS = (1, 2, 4, 8)
LEARNING_RATES = (1e-3, 2e-3)
BATCH_SIZES = (16, 64)
TRAIN_IMAGES = 1_000_000
FINETUNE_IMAGES = (0, 200_000)
SAMPLING_STEPS = (12, 18, 25)


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    architecture: Any = trial.suggest_categorical("backbone.architecture", ARCHITECTURES)
    patch_size = 1
    if architecture == "mini_ddpm":
        patch_size = trial.suggest_categorical("backbone.mini_ddpm.patch_size", [1, 2])
    network = knobs.network(trial, architecture, WIDTHS[architecture], GROUPS, patch_size)
    learning_rate = trial.suggest_categorical("backbone.learning_rate", LEARNING_RATES)
    batch_size = trial.suggest_categorical("backbone.batch_size", BATCH_SIZES)
    training = TrainingConfig(
        train_images=TRAIN_IMAGES, learning_rate=learning_rate, batch_size=batch_size
    )
    return Recipe(
        data=data,
        network=network,
        training=training,
        ema=knobs.ema(trial),
        compression=knobs.compression(trial, FINETUNE_IMAGES),
        sampling=knobs.sampling(trial, SAMPLING_STEPS),
    )


def _covering() -> tuple[dict[str, Value], ...]:
    """Go through the widths once, and through every other knob's levels in turn beside them."""
    # The small trainings first: they are done soonest.
    options = [(name, widths) for name in reversed(ARCHITECTURES) for widths in WIDTHS[name]]
    tracks: Iterator[Track] = cycle(("short", "mid", "long", "none"))
    quantizations: Iterator[Quantization | float] = cycle((0.7, 1.2, *knobs.CODEBOOKS, 2.0))
    groups, rates, conditionings = cycle(GROUPS), cycle(LEARNING_RATES), cycle(knobs.CONDITIONINGS)
    cool_downs, guidances = cycle((*FINETUNE_IMAGES, 0)), cycle(knobs.GUIDANCES)
    steps = cycle(SAMPLING_STEPS)
    methods: Iterator[PruneMethod] = cycle(("l1", "random"))
    regions: Iterator[PruneRegion] = cycle(choices(PruneRegion))
    rows: list[dict[str, Value]] = []
    for position, (architecture, widths) in enumerate(options):
        backbone = knobs.backbone_row(architecture, widths, next(groups), next(conditionings))
        backbone["backbone.learning_rate"] = next(rates)
        backbone["backbone.batch_size"] = BATCH_SIZES[position // 2 % 2]
        if architecture == "mini_ddpm":
            backbone["backbone.mini_ddpm.patch_size"] = 1 + position % 2
        ratio = round(0.1 * (1 + position % 7), 1)
        for pruning in (knobs.UNPRUNED, (next(methods), ratio, next(regions))):
            variant = (next(tracks), next(quantizations), pruning, next(cool_downs))
            rows.append(
                knobs.variant_row(backbone, *variant, guidance=next(guidances), steps=next(steps))
            )
    # The trainings first, then what reuses them.
    return tuple(rows[0::2] + rows[1::2])


SPACE = SearchSpace(
    name="mnist",
    suggest=suggest,
    covering=_covering(),
    trials=200,
    reuse_share=0.8,
    fid_num_images=1_000,
    edition=3,
)
