"""Training: a backbone's trajectory, as snapshots at growing lengths, and fine-tuning."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn

from diffusion.compress.prune import pruned_masks
from diffusion.data import to_unit_range
from diffusion.ema import EmaTracks
from diffusion.errors import TrainingDiverged
from diffusion.networks import build_network
from diffusion.process import build_denoiser
from diffusion.quantized_training import float_state, quantize_linears
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
    config = recipe.training
    start = time.perf_counter()
    network = build_network(recipe.network, recipe.data, config.seed)
    quantize_linears(network, config.quantization)
    network = network.to(device)
    averages = EmaTracks(network, config.ema_decay, config.ema_copy_steps)
    points = snapshot_points(config.train_images)
    steps = _descend(network, recipe, config, images, labels)
    for step, seen, mean_loss in _watch(steps, points, on_progress):
        averages.update(seen, config.batch_size)
        while points and seen >= points[0]:
            _check_weights(network, step)
            seconds = time.perf_counter() - start
            yield Snapshot(points.pop(0), _copy_tracks(network, averages), seconds, mean_loss)


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
    steps = _descend(network, recipe, config, images, labels)
    for _ in _watch(steps, [config.train_images], on_progress):
        with torch.no_grad():
            for values, pruned in masks:
                values.masked_fill_(pruned, 0)
    _check_weights(network, math.ceil(config.train_images / config.batch_size))


def _descend(
    network: nn.Module, recipe: Recipe, config: TrainingConfig, images: Tensor, labels: Tensor
) -> Iterator[tuple[int, int, Tensor]]:
    """Take steps of gradient descent; yield the step, the images seen and the loss."""
    device = next(network.parameters()).device
    denoiser = build_denoiser(network, recipe).train()
    optimizer = _build_optimizer(network, config)
    generator = torch.Generator(device).manual_seed(config.seed)
    batches = _batches(images, labels, config, recipe.data.num_classes, device)
    for step in range(1, math.ceil(config.train_images / config.batch_size) + 1):
        # Learning rate: linear warm-up, then constant.
        seen = step * config.batch_size
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(seen / max(config.warmup_images, 1), 1.0)
        # Before the loss: bitsandbytes' 8-bit layers quantize anew only where no gradient is left.
        optimizer.zero_grad(set_to_none=True)
        loss = denoiser.loss(*next(batches), generator)
        loss.backward()
        optimizer.step()
        yield step, seen, loss.detach()


def _watch(
    steps: Iterator[tuple[int, int, Tensor]], points: Sequence[int], on_progress: Progress
) -> Iterator[tuple[int, int, float]]:
    """Pass steps on with the latest mean loss; look at the losses and tell the progress.

    That is done every CHECK_STEPS steps, and where the first of `points` is reached.
    """
    losses: list[Tensor] = []
    mean_loss = math.nan
    for step, seen, loss in steps:
        losses.append(loss)
        if len(losses) == CHECK_STEPS or (points and seen >= points[0]):
            mean_loss = _checked_mean(losses, step)
            losses.clear()
            on_progress(seen)
        yield step, seen, mean_loss


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
    for step in count():
        while len(order) < config.batch_size:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        chosen, order = order[: config.batch_size], order[config.batch_size :]
        hidden_share = config.label_dropout
        if end := config.label_dropout_end_images:
            hidden_share *= max(1 - step * config.batch_size / end, 0.0)
        hide = torch.rand(config.batch_size, generator=generator) < hidden_share
        batch_labels = labels[chosen].masked_fill(hide, hidden_label)
        yield to_unit_range(images[chosen].to(device)), batch_labels.to(device)


def _build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
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
    if not all(bool(values.isfinite().all()) for values in float_state(network).values()):
        raise TrainingDiverged(f"training diverged at step {step}: weights are not finite")


def _copy_tracks(network: nn.Module, averages: EmaTracks) -> dict[str, dict[str, Tensor]]:
    plain = float_state(network)  # the averages lack what never changes
    return {
        track: {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in {**plain, **values}.items()
        }
        for track, values in {"none": plain, **averages.tracks}.items()
    }
