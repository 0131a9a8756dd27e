"""The cool-down: the last phase of a training, on a pruned network, at a rate that falls to 0.

What will be rounded is rounded in every step, so that the weights settle where rounding costs
little. Without quantization it is a cool-down all the same, so that dense and compressed models
compare at equal training.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.checkpointing import CheckpointKeeper, Progress, run_to
from diffusion.compress.prune import pruned_masks
from diffusion.compress.straight_through import StraightThrough
from diffusion.compress.uniform import Steps, check_rounded, round_values
from diffusion.denoiser import Denoiser
from diffusion.descent import Descent, Phase
from diffusion.ema import EmaTracks
from diffusion.process import build_denoiser
from diffusion.recipe import CompressionConfig, Recipe, TrainingConfig

TRACK = "short"  # of the phase: its weights hardly move at its end


@dataclass(frozen=True)
class CoolDown:
    """What came of a cool-down.

    Attributes:
        state: the averaged weights, on the CPU; multiples of the steps where there are any. The
            codes of other quantizations are left to the package.
        train_seconds: wall time of its steps, as in a snapshot.
        loss: mean over the latest steps.
    """

    state: dict[str, Tensor]
    train_seconds: float
    loss: float


def cool_down(
    network: nn.Module,
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    *,
    steps: Steps | None = None,
    teacher: nn.Module | None = None,
    on_progress: Progress = lambda train_images: None,
    keeper: CheckpointKeeper | None = None,
) -> Iterator[CoolDown]:
    """Train a compressed network on, in place, from its weights or from its checkpoint.

    Args:
        network: the recipe's, pruned, on the device to train on.
        recipe: its compression says how long, at what rate and what is rounded.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
        steps: of quantization `uniform`.
        teacher: the uncompressed network, on the same device, where the recipe asks for one.
        on_progress: told the images seen, at the start and then now and then.
        keeper: of the checkpoint, as that of `train`.

    Yields:
        The end, once, before its checkpoint is kept.

    Raises:
        ValueError: there are no images, or steps or a teacher are missing.
        InvalidRecipe: the steps are so large that all weights become 0.
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    compression = recipe.compression
    if len(images) == 0:
        raise ValueError("training images of the cool-down are 0; allowed: 1 or more")
    if compression.finetune_teacher and teacher is None:
        raise ValueError("teacher is None with finetune_teacher; allowed: the backbone's network")
    config = _as_training(recipe)
    rounding = StraightThrough(network, compression.quantization, steps)
    _check_rounding(network, rounding, compression, steps)
    phase = Phase(
        _falling(config),
        rounding.rounded,
        _hold_zeros(network, compression),
        _as_teacher(teacher, recipe) if teacher and compression.finetune_teacher else None,
    )
    descent = Descent(network, recipe, config, images, labels, phase)
    averages = EmaTracks(network, lengths=(TRACK,))
    points = [config.train_images]
    for stop in run_to(points, descent, averages, network, on_progress, keeper):
        state = _averaged(network, averages, steps)
        check_rounded(state, steps or {}, compression.quantization_step)
        yield CoolDown(state, stop.train_seconds, stop.loss)


def _check_rounding(
    network: nn.Module,
    rounding: StraightThrough,
    compression: CompressionConfig,
    steps: Steps | None,
) -> None:
    """Refuse steps that leave nothing to learn from, before any training."""
    with rounding.rounded():
        check_rounded(network.state_dict(), steps or {}, compression.quantization_step)


def _as_training(recipe: Recipe) -> TrainingConfig:
    compression = recipe.compression
    return dataclasses.replace(
        recipe.training,
        train_images=compression.finetune_images,
        batch_size=compression.finetune_batch_size,
        learning_rate=compression.finetune_learning_rate,
        warmup_images=0,
        label_dropout_end_images=0,
        seed=(recipe.training.seed + 1) % 2**63,  # other noise than the training's
    )


def _falling(config: TrainingConfig) -> Callable[[int], float]:
    """Return the rate of each step from 0 on, which after the last of them is 0."""
    steps = math.ceil(config.train_images / config.batch_size)
    return lambda step: config.learning_rate * (1 - step / steps)


def _hold_zeros(network: nn.Module, compression: CompressionConfig) -> Callable[[], None]:
    """Return what sets the weights that are pruned now to zero again."""
    is_pruned = compression.prunes_weights or compression.filter_ratio > 0
    masks = [(v, zero) for v, zero in pruned_masks(network) if is_pruned and zero.any()]

    @torch.no_grad()
    def hold() -> None:
        for values, zero in masks:
            values.masked_fill_(zero, 0)

    return hold


def _as_teacher(network: nn.Module, recipe: Recipe) -> Denoiser:
    return build_denoiser(network.requires_grad_(False), recipe).eval()


def _averaged(network: nn.Module, averages: EmaTracks, steps: Steps | None) -> dict[str, Tensor]:
    """Return the average as a state of its own, rounded to the steps once more."""
    state = {**network.state_dict(), **averages.tracks[TRACK]}
    copies = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }
    rounded = {name: round_values(copies[name], step) for name, step in (steps or {}).items()}
    return {**copies, **rounded}
