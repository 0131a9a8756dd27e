"""Training: a backbone's trajectory, as snapshots at growing lengths."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.checkpointing import CheckpointKeeper, Progress, run_to
from diffusion.compilation import compile_in_place, is_repaid
from diffusion.descent import Descent
from diffusion.ema import EmaTracks
from diffusion.networks import build_network
from diffusion.quantized_training import float_state, quantize_linears
from diffusion.recipe import Recipe

FIRST_SNAPSHOT_IMAGES = 16_000


@dataclass(frozen=True)
class Snapshot:
    """The state of a training after `train_images` images.

    Attributes:
        tracks: a state dict for each EMA track; `none` is the plain weights.
        train_seconds: wall time of its steps; not of on_progress, nor of keeping checkpoints
            and snapshots.
        loss: mean over the latest steps.
        compiled: whether the steps were those of a compiled network.
    """

    train_images: int
    tracks: dict[str, dict[str, Tensor]]
    train_seconds: float
    loss: float
    compiled: bool


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
    *,
    compiles: bool = False,
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
        compiles: whether the network is compiled where that is repaid.

    Yields:
        A snapshot at each of `snapshot_points` that lies ahead, the last at `train_images`. A
        checkpoint is kept only after the snapshots before it were taken, and after each of them.

    Raises:
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    config = recipe.training
    network = build_network(recipe.network, recipe.data, config.seed)
    quantize_linears(network, config.quantization)
    network = network.to(device)
    compiled = compiles and is_repaid(recipe, device) and compile_in_place(network, device)
    descent = Descent(network, recipe, config, images, labels)
    # After it, which may lay out the weights anew: from another layout averaging is far slower.
    averages = EmaTracks(network, config.ema_decay, config.ema_copy_steps)
    points = snapshot_points(config.train_images)
    for stop in run_to(points, descent, averages, network, on_progress, keeper):
        tracks = _copy_tracks(network, averages)
        yield Snapshot(stop.train_images, tracks, stop.train_seconds, stop.loss, compiled)


def _copy_tracks(network: nn.Module, averages: EmaTracks) -> dict[str, dict[str, Tensor]]:
    plain = float_state(network)  # the averages lack what never changes
    return {
        track: {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in {**plain, **values}.items()
        }
        for track, values in {"none": plain, **averages.tracks}.items()
    }
