"""The quick-grid space: every combination of a few levels of knobs, on twelve small networks.

Each network is trained twice, with other weights and batches. A study of the space is a table on
which searches can be replayed in seconds (`python -m study.record`). Its networks are the quick
space's, with seeds that no other space has, so that nothing was arranged on them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    EmaConfig,
    NetworkConfig,
    PruneMethod,
    Quantization,
    Recipe,
    SamplingConfig,
)
from search_spaces import knobs, quick
from search_spaces.space import SearchSpace, Value

if TYPE_CHECKING:
    import optuna

SEED_KNOB = "backbone.seed"
TRAINING_SEEDS = (101, 102)
QUANTIZATIONS: tuple[Quantization, ...] = ("none", "weights8", "uniform")
STEPS = (0.8, 1.6, 2.4)
METHODS: tuple[PruneMethod, ...] = ("l1", "random")
RATIOS = (0.2, 0.5)
FINETUNE_IMAGES = (0, 8_000)
# As recorded, whatever the quick space's are by now.
TRAIN_IMAGES = {
    "16-32-64-128": 64_000,
    "32-64-128-256": 40_000,
    "12-32": 60_000,
    "24-64": 40_000,
}


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    architecture: Any = trial.suggest_categorical("backbone.architecture", quick.ARCHITECTURES)
    widths = knobs.widths(trial, architecture, quick.WIDTHS[architecture])
    channels = knobs.parse_widths(widths)
    network = NetworkConfig(
        architecture=architecture,
        widths=channels,
        groups=knobs.groups(trial, quick.GROUPS),
        patch_size=2 if architecture == "mini_ddpm" else 1,
        embedding_scale=1.0,
        conditioning_width=knobs.narrow_conditioning(architecture, channels),
    )
    seed = int(trial.suggest_categorical(SEED_KNOB, TRAINING_SEEDS))
    return Recipe(
        data=data,
        network=network,
        training=knobs.training(TRAIN_IMAGES[widths], seed),
        ema=EmaConfig("short"),
        compression=_compression(trial),
        sampling=SamplingConfig(
            steps=12, guidance=2.0, guidance_sigma_min=knobs.LEAST_GUIDED_SIGMA
        ),
    )


def _compression(trial: optuna.Trial) -> CompressionConfig:
    """Draw storage and pruning; what is rounded to steps and not pruned may be cooled down."""
    quantization: Any = trial.suggest_categorical("compression.quantization", QUANTIZATIONS)
    method: Any = trial.suggest_categorical("compression.prune_method", ("none", *METHODS))
    step, ratio, images = 0.0, 0.0, 0
    if quantization == "uniform":
        step = trial.suggest_float(knobs.STEP_KNOB, STEPS[0], STEPS[-1], step=0.8)
    if method != "none":
        ratio = trial.suggest_float("compression.prune_ratio", RATIOS[0], RATIOS[-1], step=0.3)
    elif quantization == "uniform":
        images = trial.suggest_categorical("compression.finetune_images", FINETUNE_IMAGES)
    plain = CompressionConfig(
        prune_method=method,
        prune_ratio=round(ratio, 1),
        quantization=quantization,
        quantization_step=round(step, 1),
    )
    if not images:
        return plain
    return replace(
        plain, finetune_images=images, finetune_learning_rate=knobs.FINETUNE_LEARNING_RATE
    )


def backbone_row(
    architecture: str, widths: str, groups: int, seed: int | None = None
) -> dict[str, Value]:
    """Return the knob values of one backbone; without a seed, those of its network alone."""
    row: dict[str, Value] = {
        "backbone.architecture": architecture,
        f"backbone.{architecture}.widths": widths,
        "backbone.groups": groups,
    }
    return row if seed is None else {**row, SEED_KNOB: seed}


def variant_row(
    backbone: dict[str, Value],
    quantization: Quantization | float,
    method: PruneMethod = "none",
    ratio: float = 0.0,
    finetune_images: int = 0,
) -> dict[str, Value]:
    """Return the knob values of one compression of a backbone.

    Args:
        backbone: knob values of the backbone.
        quantization: by name, or the step of a uniform one.
        method: of the pruning.
        ratio: of the pruning.
        finetune_images: length of the cool-down, where there may be one.
    """
    row = {**backbone, "compression.prune_method": method}
    if method != "none":
        row["compression.prune_ratio"] = ratio
    if isinstance(quantization, str):
        return {**row, "compression.quantization": quantization}
    row |= {"compression.quantization": "uniform", knobs.STEP_KNOB: quantization}
    if method == "none":
        row["compression.finetune_images"] = finetune_images
    return row


def _rows() -> tuple[dict[str, Value], ...]:
    """Return the trainings first, then the cool-downs, then what trains nothing, by backbone."""
    backbones = [
        backbone_row(architecture, widths, groups, seed)
        for architecture in quick.ARCHITECTURES
        for widths in quick.WIDTHS[architecture]
        for groups in quick.GROUPS
        for seed in TRAINING_SEEDS
    ]
    storages = (*QUANTIZATIONS[:-1], *STEPS)
    first, *unpruned = [{"quantization": storage} for storage in storages]
    cooled = [{"quantization": step, "finetune_images": FINETUNE_IMAGES[-1]} for step in STEPS]
    pruned = [
        {"quantization": storage, "method": method, "ratio": ratio}
        for storage, method, ratio in product(storages, METHODS, RATIOS)
    ]
    trained: list[dict[str, Any]] = [first, *cooled]
    others: list[dict[str, Any]] = [*unpruned, *pruned]
    return (
        *(variant_row(backbone, **variant) for variant in trained for backbone in backbones),
        *(variant_row(backbone, **variant) for backbone in backbones for variant in others),
    )


_ROWS = _rows()

SPACE = SearchSpace(
    name="quick-grid",
    suggest=suggest,
    covering=_ROWS,
    trials=len(_ROWS),
    reuse_share=0.75,
    fid_num_images=200,
    edition=3,
)
