"""Training a backbone: one trajectory of weights, handed out as snapshots at growing lengths."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.data import to_unit_range
from diffusion.ema import EmaTracks
from diffusion.errors import TrainingDiverged
from diffusion.networks import build_network
from diffusion.process import build_denoiser
from diffusion.recipe import Recipe, TrainingConfig

FIRST_SNAPSHOT_IMAGES = 16_000
EXPLODED_LOSS = 1e3  # An untrained network's is about 1.
CHECK_STEPS = 32  # Looking at the loss waits for the device, so not every step.

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Snapshot:
    """The state of a training after `train_images` images.

    Attributes:
        tracks: a state dict for each EMA track; `none` is the plain weights.
        train_seconds: wall time since the start.
        loss: mean over the latest steps.
    """

    train_images: int
    tracks: dict[str, dict[str, Tensor]]
    train_seconds: float
    loss: float


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
) -> Iterator[Snapshot]:
    """Train a recipe's network from scratch.

    Args:
        recipe: data, network and training count; the rest is ignored.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
        device: where to train.
        on_progress: told the images seen, now and then.

    Yields:
        A snapshot at each of `snapshot_points`, the last at `train_images`.

    Raises:
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    config, data = recipe.training, recipe.data
    start = time.perf_counter()
    network = build_network(recipe.network, data, config.seed).to(device)
    denoiser = build_denoiser(network, recipe).train()
    optimizer = _build_optimizer(network, config)
    averages = EmaTracks(network)
    generator = torch.Generator(device).manual_seed(config.seed)
    batches = _batches(images, labels, config, data.num_classes, device)
    points = snapshot_points(config.train_images)
    losses: list[Tensor] = []

    for step in range(1, math.ceil(config.train_images / config.batch_size) + 1):
        # Learning rate: linear warm-up, then constant.
        seen = step * config.batch_size
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(seen / max(config.warmup_images, 1), 1.0)

        # One step of gradient descent.
        batch, batch_labels = next(batches)
        loss = denoiser.loss(batch, batch_labels, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        averages.update(seen, config.batch_size)

        # Look at the loss, tell the progress, hand out a snapshot.
        losses.append(loss.detach())
        if len(losses) == CHECK_STEPS or seen >= points[0]:
            mean_loss = _checked_mean(losses, step)
            losses.clear()
            on_progress(seen)
        while points and seen >= points[0]:
            _check_weights(network, step)
            seconds = time.perf_counter() - start
            yield Snapshot(points.pop(0), _copy_tracks(network, averages), seconds, mean_loss)


def _batches(
    images: Tensor,
    labels: Tensor,
    config: TrainingConfig,
    hidden_label: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever: each epoch a new order, labels hidden at the asked rate."""
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.empty(0, dtype=torch.int64)
    while True:
        while len(order) < config.batch_size:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        chosen, order = order[: config.batch_size], order[config.batch_size :]
        hide = torch.rand(config.batch_size, generator=generator) < config.label_dropout
        batch_labels = labels[chosen].masked_fill(hide, hidden_label)
        yield to_unit_range(images[chosen].to(device)), batch_labels.to(device)


def _build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=config.learning_rate, fused=True)
    import bitsandbytes.optim  # slow to import: only where it is used

    build = {"adam8bit": bitsandbytes.optim.Adam8bit, "adamw8bit": bitsandbytes.optim.AdamW8bit}
    return build[config.optimizer](parameters, lr=config.learning_rate)


def _checked_mean(losses: Sequence[Tensor], step: int) -> float:
    values = torch.stack(list(losses)).tolist()
    for number, value in enumerate(values, start=step - len(values) + 1):
        if not value < EXPLODED_LOSS:  # also true for NaN
            raise TrainingDiverged(f"training diverged at step {number}: loss {value:.3g}")
    return sum(values) / len(values)


def _check_weights(network: nn.Module, step: int) -> None:
    """The last step's loss says nothing of the weights that it led to."""
    if not all(bool(p.isfinite().all()) for p in network.parameters()):
        raise TrainingDiverged(f"training diverged at step {step}: weights are not finite")


def _copy_tracks(network: nn.Module, averages: EmaTracks) -> dict[str, dict[str, Tensor]]:
    plain = network.state_dict()  # the averages lack its buffers, which never change
    return {
        track: {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in {**plain, **values}.items()
        }
        for track, values in {"none": plain, **averages.tracks}.items()
    }
