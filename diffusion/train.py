"""Training: a backbone's trajectory, as snapshots at growing lengths, and fine-tuning."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from diffusion.compress.prune import pruned_masks
from diffusion.descent import Descent, State
from diffusion.divergence import check_weights, checked_mean
from diffusion.ema import EmaTracks
from diffusion.networks import build_network
from diffusion.quantized_training import float_state, quantize_linears
from diffusion.recipe import Recipe

FIRST_SNAPSHOT_IMAGES = 16_000
CHECK_STEPS = 32  # Looking at the loss waits for the device, so not every step.

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Snapshot:
    """The state of a training after `train_images` images.

    Attributes:
        tracks: a state dict for each EMA track; `none` is the plain weights.
        train_seconds: wall time of its steps; not of on_progress, nor of keeping checkpoints
            and snapshots.
        loss: mean over the latest steps.
    """

    train_images: int
    tracks: dict[str, dict[str, Tensor]]
    train_seconds: float
    loss: float


@dataclass(frozen=True)
class Checkpoint:
    """All that the rest of a training depends on, after some of its steps.

    Attributes:
        step: steps taken.
        train_seconds: wall time of these steps, as in a snapshot, in however many parts.
        state: tensors on the CPU, by name.
    """

    step: int
    train_seconds: float
    state: State


class CheckpointKeeper(Protocol):
    """Keeps the latest checkpoint of a training."""

    def load(self) -> Checkpoint | None:
        """Return the latest checkpoint, or None to begin anew."""

    def due(self) -> bool:
        """Whether the next checkpoint should be kept now."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""


def snapshot_points(train_images: int) -> list[int]:
    """Return the lengths, doubling, at which a training of `train_images` is kept."""
    points, point = [], FIRST_SNAPSHOT_IMAGES
    while point < train_images:
        points.append(point)
        point *= 2
    return [*points, train_images]


def train(
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    device: torch.device,
    on_progress: Progress = lambda train_images: None,
    keeper: CheckpointKeeper | None = None,
) -> Iterator[Snapshot]:
    """Train a recipe's network, from scratch or from its checkpoint.

    Args:
        recipe: data, network and training count; the rest is ignored.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
        device: where to train.
        on_progress: told the images seen, at the start and then now and then; after a snapshot
            once its checkpoint is kept, so that nothing is lost when it ends the training.
        keeper: of the training's checkpoint. A training that goes on from it takes the very
            steps that it would have taken without a break.

    Yields:
        A snapshot at each of `snapshot_points` that lies ahead, the last at `train_images`. A
        checkpoint is kept only after the snapshots before it were taken, and after each of them.

    Raises:
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    config = recipe.training
    train_seconds = 0.0
    network = build_network(recipe.network, recipe.data, config.seed)
    quantize_linears(network, config.quantization)
    network = network.to(device)
    descent = Descent(network, recipe, config, images, labels)
    # After it, which may lay out the weights anew: from another layout averaging is far slower.
    averages = EmaTracks(network, config.ema_decay, config.ema_copy_steps)
    if kept := _useful(keeper, config.train_images, config.batch_size):
        descent.load(kept.state, kept.step)
        averages.load(kept.state)
        train_seconds = kept.train_seconds
    points = [p for p in snapshot_points(config.train_images) if p > descent.images_seen]
    losses: list[Tensor] = []
    on_progress(descent.images_seen)
    start = time.perf_counter()
    while points:
        losses.append(descent.advance())
        seen = descent.images_seen
        averages.update(seen, config.batch_size)
        due = keeper is not None and keeper.due()
        if len(losses) < CHECK_STEPS and seen < points[0] and not due:
            continue
        mean_loss = checked_mean(losses, descent.step)  # waits for the device
        losses.clear()
        train_seconds += time.perf_counter() - start
        while points and seen >= points[0]:
            check_weights(network, descent.step)
            tracks = _copy_tracks(network, averages)
            yield Snapshot(points.pop(0), tracks, train_seconds, mean_loss)
            due = True
        if keeper is not None and due:
            state = {**descent.state(), **averages.state()}
            keeper.save(Checkpoint(descent.step, train_seconds, state))
        on_progress(seen)
        start = time.perf_counter()


def fine_tune(
    network: nn.Module,
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    on_progress: Progress = lambda train_images: None,
) -> None:
    """Train a compressed network on, in place; its pruned weights stay zero.

    Args:
        network: the recipe's, pruned, on the device to train on.
        recipe: its compression says how long and at what learning rate.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
        on_progress: told the images seen, now and then.

    Raises:
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    compression = recipe.compression
    config = dataclasses.replace(
        recipe.training,
        train_images=compression.finetune_images,
        learning_rate=compression.finetune_learning_rate,
        warmup_images=0,
        label_dropout_end_images=0,
        seed=(recipe.training.seed + 1) % 2**63,  # other noise than the training's
    )
    masks = pruned_masks(network)
    descent = Descent(network, recipe, config, images, labels)
    losses: list[Tensor] = []
    steps = math.ceil(config.train_images / config.batch_size)
    while descent.step < steps:
        losses.append(descent.advance())
        if len(losses) == CHECK_STEPS or descent.step == steps:
            checked_mean(losses, descent.step)
            losses.clear()
            on_progress(descent.images_seen)
        with torch.no_grad():
            for values, pruned in masks:
                values.masked_fill_(pruned, 0)
    check_weights(network, steps)


def _useful(
    keeper: CheckpointKeeper | None, train_images: int, batch_size: int
) -> Checkpoint | None:
    """Return the kept checkpoint, unless it lies beyond what is asked for."""
    kept = None if keeper is None else keeper.load()
    return kept if kept is not None and kept.step * batch_size < train_images else None


def _copy_tracks(network: nn.Module, averages: EmaTracks) -> dict[str, dict[str, Tensor]]:
    plain = float_state(network)  # the averages lack what never changes
    return {
        track: {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in {**plain, **values}.items()
        }
        for track, values in {"none": plain, **averages.tracks}.items()
    }
