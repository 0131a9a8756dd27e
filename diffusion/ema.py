"""Averages of the weights, kept side by side during training and chosen afterwards.

Power-function averages (Karras et al. 2024, section 3): their length grows with training, so one
track, named by its width relative to the training, fits a trajectory of any length. Beside them,
where a training asks for it, stands the exponential average of older work.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

RELATIVE_LENGTHS = {"short": 0.05, "mid": 0.10, "long": 0.20}
EXPONENTIAL = "exponential"


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
    """The averages of the weights of one training, side by side.

    Attributes:
        tracks: for each name, the averaged parameters by name.
    """

    def __init__(
        self,
        network: nn.Module,
        decay: float = 0.0,
        copy_steps: int = 0,
        lengths: Iterable[str] = tuple(RELATIVE_LENGTHS),
    ) -> None:
        """Start every track at the network's weights.

        Args:
            network: its parameters that learn are averaged; they must be floats.
            decay: of the track `exponential`; 0 keeps no such track.
            copy_steps: that track copies the weights for so many steps first.
            lengths: names of the power-function averages to keep.
        """
        self._parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self._exponents = {name: power_exponent(s) for name, s in RELATIVE_LENGTHS.items()}
        self._decay, self._copy_steps = decay, copy_steps
        names = [*lengths, *([EXPONENTIAL] if decay else [])]
        self.tracks: dict[str, dict[str, Tensor]] = {
            track: {name: p.detach().clone() for name, p in self._parameters.items()}
            for track in names
        }

    @torch.no_grad()
    def update(self, train_images: int, batch_size: int) -> None:
        """Take in the weights after a batch; `train_images` counts the images so far."""
        current: list[Tensor] = list(self._parameters.values())
        for name, track in self.tracks.items():
            keep = self._keep(name, train_images, batch_size)
            torch._foreach_lerp_(list(track.values()), current, 1 - keep)

    def state(self) -> dict[str, Tensor]:
        """Return the tracks as copies on the CPU, by flat names: `ema.TRACK/PARAMETER`."""
        return {
            f"ema.{track}/{name}": value.cpu().clone(memory_format=torch.contiguous_format)
            for track, values in self.tracks.items()
            for name, value in values.items()
        }

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Set the tracks to those that `state` returned of the same training."""
        for track, values in self.tracks.items():
            for name, value in values.items():
                value.copy_(state[f"ema.{track}/{name}"])

    def _keep(self, name: str, train_images: int, batch_size: int) -> float:
        """Return the share of a track that stays when it takes in the weights after a batch."""
        if name == EXPONENTIAL:
            copies = train_images <= self._copy_steps * batch_size
            return 0.0 if copies else self._decay
        # beta of equation 4 there, with time counted in images.
        return max(1 - batch_size / train_images, 0.0) ** (self._exponents[name] + 1)
