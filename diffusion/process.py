"""The formulations: what each trains a network to predict, and the denoiser that results."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from diffusion.denoiser import SIGMA_MAX, SIGMA_MIN, Denoiser, per_image
from diffusion.noise_processes import (
    EXPLODING_FIRST_TIME,
    NOISE_LEVELS,
    exploding_sigma,
    exploding_time,
    interpolate,
    preserving_alpha_bar,
)
from diffusion.randomness import white_like
from diffusion.recipe import DataConfig, Precision, Recipe, TrainingConfig

ASSUMED_STATISTICS = 0.0, 0.5  # Of images in [-1, 1] (Karras et al. 2022, table 1).


class EdmDenoiser(Denoiser):
    """The preconditioned denoiser of Karras et al. 2022 (equation 7, table 1).

    Images are standardised by the data's own mean and standard deviation, sigma_data.
    """

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        # c_skip, c_out, c_in and c_noise of table 1.
        mean, sigma_data = self._statistics()
        variance = sigma**2 + sigma_data**2
        c_skip = per_image(sigma_data**2 / variance)
        c_out = per_image(sigma * sigma_data / variance.sqrt())
        c_in = per_image(1 / variance.sqrt())
        c_noise = sigma.log() / 4
        centred = noisy - mean
        raw = self._call_network(c_in * centred, c_noise, labels)
        return mean + (c_skip * centred + c_out * raw)

    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        teacher: Denoiser | None = None,
    ) -> Tensor:
        # Training noise levels are log-normal (table 1, P_mean and P_std).
        mean, std = self.training_config.log_sigma_mean, self.training_config.log_sigma_std
        levels = torch.randn(len(images), generator=generator, device="cpu")
        sigma = (mean + std * levels.to(images.device)).exp()
        noise = white_like(images, generator) * per_image(sigma)
        # lambda(sigma) of table 1: every noise level counts the same at the start.
        _, sigma_data = self._statistics()
        weight = (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
        noisy = images + noise
        target = images if teacher is None else teacher(noisy, sigma, labels).detach()
        error = self(noisy, sigma, labels) - target
        return (per_image(weight) * error.square()).mean()

    def _statistics(self) -> tuple[float, float]:
        """Return the mean and the standard deviation of the images, as they are taken to be."""
        if self.training_config.standardize:
            return self.data_config.pixel_mean, self.data_config.pixel_std
        return ASSUMED_STATISTICS

    def sigma_at(self, times: Tensor) -> Tensor:
        """Map times to geometrically growing noise levels (Song et al. 2021, appendix C)."""
        ratio = self.sigma_max / self.sigma_min
        return self.sigma_min * torch.pow(ratio, times.double())


class ScoreMatchingDenoiser(Denoiser):
    """Denoising score matching as the score-SDE tutorial trains it (Song et al. 2021).

    Pixels are in [0, 1]; std(t)^2 = (s^(2t) - 1) / (2 ln s) with s = 25 and t in [1e-5, 1]; the
    score is the network's output, divided by std(t) outside of it.
    """

    first_time = EXPLODING_FIRST_TIME
    training_first_time = 1e-5

    def __init__(self, network: nn.Module, training: TrainingConfig, data: DataConfig) -> None:
        super().__init__(network, training, data)
        ends = self.sigma_at(torch.tensor([self.first_time, 1.0], dtype=torch.float64))
        self.sigma_min, self.sigma_max = ends.tolist()

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        # D = x + sigma^2 * score, and score = network / sigma.
        raw = self._call_network(noisy, exploding_time(sigma), labels)
        return noisy + per_image(sigma) * raw

    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        teacher: Denoiser | None = None,
    ) -> Tensor:
        draws = torch.rand(len(images), generator=generator, device="cpu").to(images.device)
        first = self.training_first_time
        sigma = self.sigma_at(first + (1 - first) * draws).float()
        white = white_like(images, generator)
        noisy = self.from_signed_range(images) + white * per_image(sigma)
        raw = self._call_network(noisy, exploding_time(sigma), labels)
        target = -white
        if teacher is not None:
            target = teacher._call_network(noisy, exploding_time(sigma), labels).detach()
        # (score * std + z)^2; the published sum over pixels is this mean times a constant.
        return (raw - target).square().mean()

    def sigma_at(self, times: Tensor) -> Tensor:
        return exploding_sigma(times)

    def from_signed_range(self, images: Tensor) -> Tensor:
        return (images + 1) / 2

    def to_signed_range(self, images: Tensor) -> Tensor:
        return 2 * images - 1


class NoisePredictionDenoiser(Denoiser):
    """The denoiser of a network that predicts the noise (Ho et al. 2020)."""

    first_time = 2 / NOISE_LEVELS  # Published samplers never step to the lowest level.

    def __init__(self, network: nn.Module, training: TrainingConfig, data: DataConfig) -> None:
        super().__init__(network, training, data)
        alpha_bar = preserving_alpha_bar(training.beta_schedule)
        sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()
        self.sigma_min = max(SIGMA_MIN, float(sigmas[0]))
        self.sigma_max = min(SIGMA_MAX, float(sigmas[-1]))
        self._log_sigmas = sigmas.log()  # [NOISE_LEVELS] float64, rising
        if training.beta_schedule == "cosine":
            # Its highest levels, up to 20,000, multiply the network's error and tell nothing.
            self.last_time = (self._level_at(torch.tensor([SIGMA_MAX])).item() + 1) / NOISE_LEVELS

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        # x_t = x / sqrt(1 + sigma^2), and D = x - sigma * eps.
        scaled = noisy / per_image((1 + sigma**2).sqrt())
        eps = self._call_network(scaled, self._level_at(sigma).float() / NOISE_LEVELS, labels)
        return noisy - per_image(sigma) * eps

    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        teacher: Denoiser | None = None,
    ) -> Tensor:
        # Simple loss (equation 14), over all levels but the lowest.
        shape = (len(images),)
        draws = torch.randint(1, NOISE_LEVELS, shape, generator=generator, device="cpu")
        levels = draws.to(images.device)
        sigma = self._log_sigmas.to(images.device)[levels].exp().float()
        eps = white_like(images, generator)
        scaled = (images + eps * per_image(sigma)) / per_image((1 + sigma**2).sqrt())
        times = levels / NOISE_LEVELS
        target = eps
        if teacher is not None:
            target = teacher._call_network(scaled, times, labels).detach()
        return (self._call_network(scaled, times, labels) - target).square().mean()

    def sigma_at(self, times: Tensor) -> Tensor:
        """Map time i / 1000 to the i-th level; between two, the logarithm is interpolated."""
        counts = torch.arange(1, NOISE_LEVELS + 1, dtype=torch.float64) / NOISE_LEVELS
        return interpolate(times.double(), counts, self._log_sigmas).exp()

    def _level_at(self, sigma: Tensor) -> Tensor:
        """Return the index of the level of this standard deviation, or one between two."""
        return interpolate(sigma.double().log(), self._log_sigmas, torch.arange(NOISE_LEVELS))


DENOISERS: dict[str, type[Denoiser]] = {
    "edm": EdmDenoiser,
    "score_matching": ScoreMatchingDenoiser,
    "noise_prediction": NoisePredictionDenoiser,
}


def build_denoiser(
    network: nn.Module, recipe: Recipe, precision: Precision | None = None
) -> Denoiser:
    """Wrap a network as its recipe's formulation asks; may lay out its weights anew, in place.

    Args:
        network: the recipe's.
        recipe: of the formulation.
        precision: of the network's products; None for that of the training.
    """
    training = replace(recipe.training, precision=precision or recipe.training.precision)
    # Channels last: what most networks are fastest in on a CPU, and convolutions on a GPU in bf16.
    network = network.to(memory_format=torch.channels_last)
    return DENOISERS[training.formulation](network, training, recipe.data)
