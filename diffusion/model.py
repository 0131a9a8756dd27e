"""A model that runs: a recipe and its weights, ready to draw images."""

import dataclasses
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from diffusion.data import to_uint8
from diffusion.errors import MetricUndefined
from diffusion.guidance import Denoise, guide
from diffusion.process import build_denoiser
from diffusion.recipe import Recipe
from diffusion.samplers import build_sampler
from diffusion.schedules import noise_levels

GENERATE_BATCH_SIZE = 100

Progress = Callable[[int], None]


class DiffusionModel:
    """A trained network with the recipe that it was made by, which draws images.

    Attributes:
        recipe: everything that defines the model.
        network: holds plain float32 weights, in evaluation mode.
    """

    def __init__(
        self, recipe: Recipe, network: nn.Module, device: torch.device | str = "cpu"
    ) -> None:
        self.recipe = recipe
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = torch.device(device)
        self._denoiser = build_denoiser(self.network, recipe, recipe.drawing_precision)

    def with_sampling(self, **changes: int | float | str | None) -> "DiffusionModel":
        """Return the same model with other sampling fields; None keeps the recipe's."""
        given = {name: value for name, value in changes.items() if value is not None}
        sampling = dataclasses.replace(self.recipe.sampling, **given)  # type: ignore[arg-type]
        recipe = dataclasses.replace(self.recipe, sampling=sampling)
        return DiffusionModel(recipe, self.network, self.device)

    @torch.inference_mode()
    def generate(
        self,
        labels: Tensor,
        batch_size: int = GENERATE_BATCH_SIZE,
        on_progress: Progress = lambda images: None,
    ) -> Tensor:
        """Draw one image for each label.

        Args:
            labels: [N] int64 in [0, num_classes).
            batch_size: images at a time; the noise that an image starts from does not depend on
                it, what a stochastic sampler adds on the way does.
            on_progress: told the images drawn so far.

        Returns:
            [N, C, H, W] uint8.

        Raises:
            ValueError: a label is out of range, or an image comes out NaN or infinite.
        """
        drawn: list[Tensor] = []
        for batch in self._generate_batches(labels, batch_size):
            drawn.append(batch)
            on_progress(sum(map(len, drawn)))
        return torch.cat(drawn)

    def _generate_batches(self, labels: Tensor, batch_size: int) -> Iterator[Tensor]:
        data, sampling = self.recipe.data, self.recipe.sampling
        outside = labels[(labels < 0) | (labels >= data.num_classes)]
        if len(outside):
            raise ValueError(f"label is {int(outside[0])}; allowed: 0 to {data.num_classes - 1}")
        start = torch.Generator().manual_seed(sampling.seed)
        shape = (len(labels), data.channels, data.image_size, data.image_size)
        noise = torch.randn(shape, generator=start)
        generator = torch.Generator().manual_seed(sampling.seed + 1)
        sampler, sigmas = build_sampler(sampling), noise_levels(sampling, self._denoiser)
        for part, part_labels in zip(
            noise.split(batch_size), labels.split(batch_size), strict=True
        ):
            part_labels = part_labels.to(self.device)
            denoise = self._guided(part_labels)
            images = sampler(denoise, part.to(self.device), sigmas, generator)
            if not bool(images.isfinite().all()):
                raise MetricUndefined("the model draws images that are not finite")
            yield to_uint8(self._denoiser.to_signed_range(images)).cpu()

    def _guided(self, labels: Tensor) -> Denoise:
        """Return the denoiser with its labels fixed and guided as the recipe asks."""
        sampling = self.recipe.sampling
        return guide(
            self._denoiser,
            labels,
            self.recipe.data.num_classes,
            sampling.guidance,
            sampling.guidance_sigma_min,
            sampling.guidance_sigma_max,
        )
