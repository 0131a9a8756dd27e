"""When a training has diverged: its loss explodes, or its weights are no numbers any more."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffusion.errors import TrainingDiverged
from diffusion.quantized_training import float_state

EXPLODED_LOSS = 1e3  # An untrained network's is about 1.


def checked_mean(losses: Sequence[Tensor], step: int) -> float:
    """Return the mean of the losses of the steps up to `step`.

    Raises:
        TrainingDiverged: one is NaN, infinite or exploded; names its step.
    """
    values = torch.stack(list(losses)).tolist()
    for number, value in enumerate(values, start=step - len(values) + 1):
        if not value < EXPLODED_LOSS:  # also true for NaN
            raise TrainingDiverged(f"training diverged at step {number}: loss {value:.3g}")
    return sum(values) / len(values)


def check_weights(network: nn.Module, step: int) -> None:
    """Check that the weights are finite: the loss of a step says nothing of those it led to.

    Raises:
        TrainingDiverged: one is NaN or infinite; names the step.
    """
    if not all(bool(values.isfinite().all()) for values in float_state(network).values()):
        raise TrainingDiverged(f"training diverged at step {step}: weights are not finite")
