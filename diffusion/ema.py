"""Averages of the weights, kept side by side during training and chosen afterwards.

Power-function averages (Karras et al. 2024, section 3): their length grows with training, so one
track, named by its width relative to the training, fits a trajectory of any length.
"""

import numpy as np
import torch
from torch import Tensor, nn

RELATIVE_LENGTHS = {"short": 0.05, "mid": 0.10, "long": 0.20}


def power_exponent(relative_length: float) -> float:
    """Return gamma of the average whose width is `relative_length` of the training.

    The variance of the density (gamma + 1) t^gamma on [0, 1] is
    (gamma + 1) / ((gamma + 2)^2 (gamma + 3)); set it to the squared length and take the
    largest root.
    """
    inverse = relative_length**-2
    roots = np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse])
    return float(roots.real.max())


class EmaTracks:
    """The tracks of one training.

    Attributes:
        tracks: for each name, the averaged parameters by name.
    """

    def __init__(self, network: nn.Module) -> None:
        self._parameters = dict(network.named_parameters())
        self._exponents = {name: power_exponent(s) for name, s in RELATIVE_LENGTHS.items()}
        self.tracks: dict[str, dict[str, Tensor]] = {
            track: {name: p.detach().clone() for name, p in self._parameters.items()}
            for track in RELATIVE_LENGTHS
        }

    @torch.no_grad()
    def update(self, train_images: int, batch_size: int) -> None:
        """Take in the weights after a batch; `train_images` counts the images so far."""
        current: list[Tensor] = list(self._parameters.values())
        for name, exponent in self._exponents.items():
            # beta of equation 4 there, with time counted in images.
            keep = max(1 - batch_size / train_images, 0.0) ** (exponent + 1)
            torch._foreach_lerp_(list(self.tracks[name].values()), current, 1 - keep)
