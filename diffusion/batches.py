"""Batches of training images with their labels, in an order that can be gone on with."""

import torch
from torch import Tensor

from diffusion.data import to_signed_range
from diffusion.recipe import TrainingConfig


class Batches:
    """Batches without end: each epoch a new order, labels hidden at the asked rate."""

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        config: TrainingConfig,
        hidden_label: int,
        device: torch.device,
    ) -> None:
        """Start before the first batch.

        Args:
            images: [N, C, H, W] uint8 training images.
            labels: [N] int64.
            config: its batch size, label dropout and seed count.
            hidden_label: stands for a label that is not shown.
            device: where the batches are needed.
        """
        self._images, self._labels, self._device = images, labels, device
        self._config, self._hidden_label = config, hidden_label
        self._generator = torch.Generator().manual_seed(config.seed)
        self._order = torch.empty(0, dtype=torch.int64)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the images, [B, C, H, W] float32 in [-1, 1], and labels of a step from 0 on."""
        batch_size = self._config.batch_size
        while len(self._order) < batch_size:
            epoch = torch.randperm(len(self._images), generator=self._generator)
            self._order = torch.cat([self._order, epoch])
        chosen, self._order = self._order[:batch_size], self._order[batch_size:]
        hidden_share = self._config.label_dropout
        if end := self._config.label_dropout_end_images:
            hidden_share *= max(1 - step * batch_size / end, 0.0)
        hide = torch.rand(batch_size, generator=self._generator) < hidden_share
        labels = self._labels[chosen].masked_fill(hide, self._hidden_label)
        images = to_signed_range(self._images[chosen].to(self._device))
        return images, labels.to(self._device)

    def state(self) -> dict[str, Tensor]:
        """Return what the next batches depend on: the rest of the epoch, and the generator."""
        return {"order": self._order.clone(), "generator": self._generator.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on with the batches that followed when `state` returned this state."""
        self._order = state["order"]
        self._generator.set_state(state["generator"])
