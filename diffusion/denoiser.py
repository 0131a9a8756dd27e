"""The denoiser: what samplers see of a network, whatever it was trained to predict.

All see one denoiser D(x, sigma, label) for variance-exploding noise: x is the clean image plus
sigma times white noise. Variance-preserving noise is the same thing scaled: its x_t is
x / sqrt(1 + sigma^2).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from diffusion.recipe import DataConfig, TrainingConfig

# The noise levels that samplers walk between. Two grey levels of 255 are the least: lower ones
# only take steps from where they count.
SIGMA_MIN, SIGMA_MAX = 0.02, 80.0


class Denoiser(nn.Module, ABC):
    """A raw network made a denoiser; each formulation is a subclass.

    Attributes:
        sigma_min, sigma_max: the noise levels that samplers walk between.
        first_time, last_time: where samplers that step evenly in the formulation's own time stop
            and start.
    """

    sigma_min, sigma_max = SIGMA_MIN, SIGMA_MAX
    first_time, last_time = 0.0, 1.0

    def __init__(self, network: nn.Module, training: TrainingConfig, data: DataConfig) -> None:
        super().__init__()
        self.network = network
        self.training_config = training
        self.data_config = data

    @abstractmethod
    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Estimate the clean images that noisy ones were made of.

        Args:
            noisy: [N, C, H, W] float32, clean images plus sigma times white noise.
            sigma: [N] float32, above 0.
            labels: [N] int64; the number of classes stands for the hidden label.

        Returns:
            [N, C, H, W] float32.
        """

    @abstractmethod
    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        teacher: "Denoiser | None" = None,
    ) -> Tensor:
        """Draw noise and return the weighted squared error, about 1 untrained.

        Args:
            images: [N, C, H, W] float32 in [-1, 1].
            labels: [N] int64.
            generator: draws noise levels and noise, on the CPU whatever the device.
            teacher: of the same formulation; what it makes of the noisy images is the target.
        """

    @abstractmethod
    def sigma_at(self, times: Tensor) -> Tensor:
        """Map the formulation's own time, in [first_time, 1], to noise levels; float64."""

    def from_signed_range(self, images: Tensor) -> Tensor:
        """Map images from [-1, 1] to the range that the denoiser works in."""
        return images

    def to_signed_range(self, images: Tensor) -> Tensor:
        """Map images from the range that the denoiser works in to [-1, 1]."""
        return images

    def _call_network(self, images: Tensor, noise_labels: Tensor, labels: Tensor) -> Tensor:
        use_bf16 = self.training_config.precision == "bf16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=use_bf16):
            raw: Tensor = self.network(images, noise_labels, labels)
        return raw.float()


def per_image(values: Tensor) -> Tensor:
    """Give [N] values the shape [N, 1, 1, 1], to multiply [N, C, H, W] images by."""
    return values[:, None, None, None]
