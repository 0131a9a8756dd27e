"""The steps of a training from where it was cut off on, with checkpoints on the way."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from diffusion.descent import Descent, State
from diffusion.divergence import check_weights, checked_mean
from diffusion.ema import EmaTracks

CHECK_STEPS = 32  # Looking at the loss waits for the device, so not every step.

Progress = Callable[[int], None]


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


@dataclass(frozen=True)
class Stop:
    """A training that has reached one of its points.

    Attributes:
        train_images: the point.
        train_seconds: as in a checkpoint.
        loss: mean over the latest steps.
    """

    train_images: int
    train_seconds: float
    loss: float


def run_to(
    points: Sequence[int],
    descent: Descent,
    averages: EmaTracks,
    network: nn.Module,
    on_progress: Progress,
    keeper: CheckpointKeeper | None,
) -> Iterator[Stop]:
    """Take a training's steps, from the first or from its checkpoint on.

    Args:
        points: counts of images, rising, at which to stop; those behind are passed over.
        descent: at its first step.
        averages: of the network's weights, updated after every step.
        network: the one that the descent moves.
        on_progress: told the images seen, at the start and then now and then.
        keeper: of the checkpoint.

    Yields:
        Each stop, before the checkpoint after it is kept.

    Raises:
        TrainingDiverged: the loss became NaN or exploded; names the step.
    """
    train_seconds = 0.0
    if kept := _useful(keeper, points[-1], descent.batch_size):
        descent.load(kept.state, kept.step)
        averages.load(kept.state)
        train_seconds = kept.train_seconds
    ahead = [point for point in points if point > descent.images_seen]
    losses: list[Tensor] = []
    on_progress(descent.images_seen)
    start = time.perf_counter()
    while ahead:
        losses.append(descent.advance())
        seen = descent.images_seen
        averages.update(seen, descent.batch_size)
        due = keeper is not None and keeper.due()
        if len(losses) < CHECK_STEPS and seen < ahead[0] and not due:
            continue
        mean_loss = checked_mean(losses, descent.step)  # waits for the device
        losses.clear()
        train_seconds += time.perf_counter() - start
        while ahead and seen >= ahead[0]:
            check_weights(network, descent.step)
            yield Stop(ahead.pop(0), train_seconds, mean_loss)
            due = True
        if keeper is not None and due:
            state = {**descent.state(), **averages.state()}
            keeper.save(Checkpoint(descent.step, train_seconds, state))
        on_progress(seen)
        start = time.perf_counter()


def _useful(
    keeper: CheckpointKeeper | None, train_images: int, batch_size: int
) -> Checkpoint | None:
    """Return the kept checkpoint, unless it lies beyond what is asked for."""
    kept = None if keeper is None else keeper.load()
    return kept if kept is not None and kept.step * batch_size < train_images else None
