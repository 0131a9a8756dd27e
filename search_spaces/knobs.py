"""Knobs that search spaces share: each draws one part of a recipe from an Optuna trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diffusion.config import choices
from diffusion.recipe import (
    Architecture,
    CompressionConfig,
    EmaConfig,
    NetworkConfig,
    PruneMethod,
    PruneRegion,
    Quantization,
    SamplingConfig,
    Track,
    TrainingConfig,
)
from diffusion.variant_config import CHANNEL_METHODS
from search_spaces.space import Value

if TYPE_CHECKING:
    import optuna

CODEBOOKS: tuple[Quantization, ...] = ("none", "linear8", "linear4", "weights8")
TRACKS: tuple[Track, ...] = ("none", "short", "mid", "long")
QUANTIZATIONS: tuple[Quantization, ...] = (*CODEBOOKS, "uniform")
# Of the shorter ones hardly a byte is saved; of the longer ones hardly a weight is left.
LEAST_STEP, MOST_STEP = 0.5, 3.0
FINETUNE_LEARNING_RATE = 5e-4  # From where a cool-down falls; what docs/compression.md measures.
# Without channels a network has far to go: at half of them its FID is 10.2, and 22.5 at the other.
CHANNELS_LEARNING_RATE = 2e-3
CONDITIONINGS = ("narrow", "published")
# docs/compression.md has them beside batches of 16 at 2e-3 and a beta2 of 0.999.
BATCH_SIZE, LEARNING_RATE, ADAM_BETA2 = 32, 3e-3, 0.99
STEP_KNOB, STEPS_KNOB = "compression.quantization_step", "sampling.steps"
GUIDANCES = (1.5, 2.0, 2.5, 3.0)
LEAST_GUIDED_SIGMA, MOST_GUIDED_SIGMA = 0.3, 20.0
ALL_METHODS: tuple[PruneMethod, ...] = choices(PruneMethod)
WEIGHT_METHODS = tuple(method for method in ALL_METHODS if method not in CHANNEL_METHODS)
# Method, ratio, and region where it has one; the steps of a uniform quantization stand for it.
Pruning = tuple[PruneMethod, float | None, PruneRegion | None]
UNPRUNED: Pruning = ("none", None, None)


def widths(trial: optuna.Trial, architecture: str, options: Sequence[str]) -> str:
    """Draw channel counts, written like "32-64-128-256"; each architecture has its own knob."""
    return str(trial.suggest_categorical(f"backbone.{architecture}.widths", options))


def parse_widths(text: str) -> tuple[int, ...]:
    """Read channel counts, written like "32-64-128-256"."""
    return tuple(int(width) for width in text.split("-"))


def groups(trial: optuna.Trial, options: Sequence[int]) -> int:
    """Draw the groups of the convolutions."""
    return int(trial.suggest_categorical("backbone.groups", options))


def ema(
    trial: optuna.Trial, tracks: Sequence[Track] = TRACKS, knob: str = "ema.track"
) -> EmaConfig:
    """Draw the average of the trajectory that becomes the model."""
    track: Any = trial.suggest_categorical(knob, tracks)
    return EmaConfig(track)


def conditioning_width(
    trial: optuna.Trial, architecture: Architecture, widths: Sequence[int]
) -> int:
    """Draw how many channels noise level and label are embedded in; 0 is the published number."""
    drawn = trial.suggest_categorical("backbone.conditioning", CONDITIONINGS)
    return 0 if drawn == "published" else narrow_conditioning(architecture, widths)


def narrow_conditioning(architecture: Architecture, widths: Sequence[int]) -> int:
    """Return the channels of a narrow conditioning: fewer than published, at no loss.

    A quarter of the published ones in mini_ddpm and half of them in ncsn: mini_ddpm 12-32 has
    125,156 parameters with the published ones, 85,892 with narrow ones.
    """
    return widths[-1] if architecture == "mini_ddpm" else widths[-1] // 2


def network(
    trial: optuna.Trial,
    architecture: Architecture,
    width_options: Sequence[str],
    group_options: Sequence[int],
    patch_size: int,
) -> NetworkConfig:
    """Draw a network of an architecture: channels, groups and conditioning."""
    chosen = parse_widths(widths(trial, architecture, width_options))
    return NetworkConfig(
        architecture=architecture,
        widths=chosen,
        groups=groups(trial, group_options),
        patch_size=patch_size,
        embedding_scale=1.0,
        conditioning_width=conditioning_width(trial, architecture, chosen),
    )


def training(train_images: int, seed: int = 0) -> TrainingConfig:
    """Return a training of small networks, whose rate and batches are no knobs."""
    return TrainingConfig(
        train_images=train_images,
        learning_rate=LEARNING_RATE,
        adam_beta2=ADAM_BETA2,
        batch_size=BATCH_SIZE,
        seed=seed,
    )


def sampling(trial: optuna.Trial, steps: Sequence[int], *, labels: bool = True) -> SamplingConfig:
    """Draw how images are drawn; each compression has its own best.

    Guidance acts between noise levels of 20 and 0.3 alone: above there is no image yet, below it
    is settled, so that a quarter of the work would change nothing (docs/compression.md).

    Args:
        trial: draws.
        steps: numbers of steps to draw from.
        labels: whether there are labels that may guide.
    """
    chosen = int(trial.suggest_categorical(STEPS_KNOB, steps))
    if not labels:
        return SamplingConfig(steps=chosen, guidance=1.0)
    guidance = float(trial.suggest_categorical("sampling.guidance", GUIDANCES))
    return SamplingConfig(
        steps=chosen,
        guidance=guidance,
        guidance_sigma_min=LEAST_GUIDED_SIGMA,
        guidance_sigma_max=MOST_GUIDED_SIGMA,
    )


def compression(
    trial: optuna.Trial,
    finetune_images: Sequence[int] = (0,),
    prune_methods: Sequence[PruneMethod] = WEIGHT_METHODS,
) -> CompressionConfig:
    """Draw pruning, quantization and cool-down.

    A step exists only where something is rounded to steps, a ratio where something is pruned, and
    a region where that is single weights.

    Args:
        trial: draws.
        finetune_images: lengths of the cool-down to draw from; a single one is no knob.
        prune_methods: to draw from.
    """
    quantization: Any = trial.suggest_categorical("compression.quantization", QUANTIZATIONS)
    step = 0.0
    if quantization == "uniform":
        step = trial.suggest_float(STEP_KNOB, LEAST_STEP, MOST_STEP, log=True)
    images = finetune_images[0]
    if len(finetune_images) > 1:
        images = trial.suggest_categorical("compression.finetune_images", finetune_images)
    method: Any = trial.suggest_categorical("compression.prune_method", prune_methods)
    ratio: float = 0.0
    region: Any = "all"
    if method != "none":
        ratio = trial.suggest_float("compression.prune_ratio", 0.1, 0.7, step=0.1)
    if method not in ("none", *CHANNEL_METHODS):
        region = trial.suggest_categorical("compression.prune_region", choices(PruneRegion))
    cool_down: dict[str, Any] = {}
    if images > 0:
        is_narrow = method in CHANNEL_METHODS
        rate = CHANNELS_LEARNING_RATE if is_narrow else FINETUNE_LEARNING_RATE
        cool_down = {"finetune_images": images, "finetune_learning_rate": rate}
    return CompressionConfig(
        prune_method=method,
        prune_ratio=round(ratio, 1),  # 0.30000000000000004 is 0.3
        prune_region=region,
        quantization=quantization,
        quantization_step=round(step, 3),
        **cool_down,
    )


def variant_row(
    backbone: Mapping[str, Value],
    track: Track,
    quantization: Quantization | float,
    pruning: Pruning = UNPRUNED,
    finetune_images: int = 0,
    guidance: float = 2.0,
    steps: int = 10,
) -> dict[str, Value]:
    """Return the knob values of one compression of a backbone.

    Args:
        backbone: knob values of the backbone.
        track: of the average.
        quantization: by name, or the step of a uniform one.
        pruning: method, ratio and region.
        finetune_images: length of the cool-down.
        guidance: of the sampling.
        steps: of the sampling.
    """
    method, ratio, region = pruning
    row: dict[str, Value] = {
        **backbone,
        "ema.track": track,
        "compression.quantization": quantization,
        "compression.prune_method": method,
        "compression.finetune_images": finetune_images,
        "sampling.guidance": guidance,
        STEPS_KNOB: steps,
    }
    if not isinstance(quantization, str):
        row |= {"compression.quantization": "uniform", STEP_KNOB: quantization}
    if ratio is not None:
        row["compression.prune_ratio"] = ratio
    if region is not None:
        row["compression.prune_region"] = region
    return row
