"""Noise, training target and denoiser: what stands between a raw network and a sampler.

Whatever the formulation, samplers see one denoiser D(x, sigma, label) for variance-exploding
noise: x is the clean image plus sigma times white noise. Variance-preserving noise is the same
thing scaled: its x_t is x / sqrt(1 + sigma^2).
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from diffusion.recipe import BetaSchedule, Recipe, TrainingConfig

SIGMA_DATA = 0.5  # Standard deviation of the images, as in Karras et al. 2022.
# The noise levels that samplers walk between. Two grey levels of 255 are the least: lower ones
# only take steps from where they count.
SIGMA_MIN, SIGMA_MAX = 0.02, 80.0
EXPLODING_BASE = 25.0  # sigma of the tutorial's variance-exploding process.
EXPLODING_FIRST_TIME = 1e-3  # Where its samplers stop; training goes down to 1e-5.
NOISE_LEVELS = 1_000  # Of the variance-preserving process.


class Denoiser(nn.Module, ABC):
    """A raw network made a denoiser; each formulation is a subclass.

    Attributes:
        sigma_min, sigma_max: the noise levels that samplers walk between.
        first_time, last_time: where samplers that step evenly in the formulation's own time stop
            and start.
    """

    sigma_min, sigma_max = SIGMA_MIN, SIGMA_MAX
    first_time, last_time = 0.0, 1.0

    def __init__(self, network: nn.Module, training: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.training_config = training

    @abstractmethod
    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Estimate the clean images.

        Args:
            noisy: [N, C, H, W] float32, clean images plus sigma times white noise.
            sigma: [N] float32, above 0.
            labels: [N] int64; the number of classes stands for the hidden label.

        Returns:
            [N, C, H, W] float32.
        """

    @abstractmethod
    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw noise and return the weighted squared error, about 1 untrained.

        Args:
            images: [N, C, H, W] float32 in [-1, 1].
            labels: [N] int64.
            generator: draws noise levels and noise, on the images' device.
        """

    @abstractmethod
    def sigma_at(self, times: Tensor) -> Tensor:
        """Map the formulation's own time, in [first_time, 1], to noise levels; float64."""

    def to_unit_range(self, images: Tensor) -> Tensor:
        """Map images from the range that the network works in to [-1, 1]."""
        return images

    def _call_network(self, images: Tensor, noise_labels: Tensor, labels: Tensor) -> Tensor:
        use_bf16 = self.training_config.precision == "bf16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=use_bf16):
            raw: Tensor = self.network(images, noise_labels, labels)
        return raw.float()


class EdmDenoiser(Denoiser):
    """The preconditioned denoiser of Karras et al. 2022 (equation 7, table 1)."""

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        # c_skip, c_out, c_in and c_noise of table 1.
        variance = sigma**2 + SIGMA_DATA**2
        c_skip = _per_image(SIGMA_DATA**2 / variance)
        c_out = _per_image(sigma * SIGMA_DATA / variance.sqrt())
        c_in = _per_image(1 / variance.sqrt())
        c_noise = sigma.log() / 4
        return c_skip * noisy + c_out * self._call_network(c_in * noisy, c_noise, labels)

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        # Training noise levels are log-normal (table 1, P_mean and P_std).
        mean, std = self.training_config.log_sigma_mean, self.training_config.log_sigma_std
        levels = torch.randn(len(images), generator=generator, device=images.device)
        sigma = (mean + std * levels).exp()
        noise = _white_like(images, generator) * _per_image(sigma)
        # lambda(sigma) of table 1: every noise level counts the same at the start.
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        error = self(images + noise, sigma, labels) - images
        return (_per_image(weight) * error.square()).mean()

    def sigma_at(self, times: Tensor) -> Tensor:
        """Grow geometrically, as the exploding process of Song et al. 2021 (appendix C)."""
        ratio = self.sigma_max / self.sigma_min
        return self.sigma_min * torch.pow(ratio, times.double())


class ScoreMatchingDenoiser(Denoiser):
    """Denoising score matching as the score-SDE tutorial trains it (Song et al. 2021).

    Pixels are in [0, 1]; std(t)^2 = (s^(2t) - 1) / (2 ln s) with s = 25 and t in [1e-5, 1]; the
    score is the network's output, divided by std(t) outside of it.
    """

    first_time = EXPLODING_FIRST_TIME
    training_first_time = 1e-5

    def __init__(self, network: nn.Module, training: TrainingConfig) -> None:
        super().__init__(network, training)
        ends = self.sigma_at(torch.tensor([self.first_time, 1.0], dtype=torch.float64))
        self.sigma_min, self.sigma_max = ends.tolist()

    def forward(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        # D = x + sigma^2 * score, and score = network / sigma.
        raw = self._call_network(noisy, exploding_time(sigma), labels)
        return noisy + _per_image(sigma) * raw

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        draws = torch.rand(len(images), generator=generator, device=images.device)
        first = self.training_first_time
        sigma = self.sigma_at(first + (1 - first) * draws).float()
        white = _white_like(images, generator)
        noisy = (images + 1) / 2 + white * _per_image(sigma)
        raw = self._call_network(noisy, exploding_time(sigma), labels)
        # (score * std + z)^2; the published sum over pixels is this mean times a constant.
        return (raw + white).square().mean()

    def sigma_at(self, times: Tensor) -> Tensor:
        log_base = math.log(EXPLODING_BASE)
        return (torch.expm1(2 * times.double() * log_base) / (2 * log_base)).sqrt()

    def to_unit_range(self, images: Tensor) -> Tensor:
        return 2 * images - 1


class NoisePredictionDenoiser(Denoiser):
    """The denoiser of a network that predicts the noise (Ho et al. 2020)."""

    first_time = 2 / NOISE_LEVELS  # Published samplers never step to the lowest level.

    def __init__(self, network: nn.Module, training: TrainingConfig) -> None:
        super().__init__(network, training)
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
        scaled = noisy / _per_image((1 + sigma**2).sqrt())
        eps = self._call_network(scaled, self._level_at(sigma).float() / NOISE_LEVELS, labels)
        return noisy - _per_image(sigma) * eps

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        # Simple loss (equation 14), over all levels but the lowest.
        shape = (len(images),)
        levels = torch.randint(1, NOISE_LEVELS, shape, generator=generator, device=images.device)
        sigma = self._log_sigmas.to(images.device)[levels].exp().float()
        eps = _white_like(images, generator)
        scaled = (images + eps * _per_image(sigma)) / _per_image((1 + sigma**2).sqrt())
        return (self._call_network(scaled, levels / NOISE_LEVELS, labels) - eps).square().mean()

    def sigma_at(self, times: Tensor) -> Tensor:
        """Time i / 1000 is the i-th level; between two, the logarithm is interpolated."""
        counts = torch.arange(1, NOISE_LEVELS + 1, dtype=torch.float64) / NOISE_LEVELS
        return _interpolate(times.double(), counts, self._log_sigmas).exp()

    def _level_at(self, sigma: Tensor) -> Tensor:
        """Return the index of the level of this standard deviation, or one between two."""
        return _interpolate(sigma.double().log(), self._log_sigmas, torch.arange(NOISE_LEVELS))


DENOISERS: dict[str, type[Denoiser]] = {
    "edm": EdmDenoiser,
    "score_matching": ScoreMatchingDenoiser,
    "noise_prediction": NoisePredictionDenoiser,
}


def build_denoiser(network: nn.Module, recipe: Recipe) -> Denoiser:
    """Wrap a network as its recipe's formulation asks."""
    if recipe.training.precision == "float32":
        # Channels last is a tenth to a third faster on a CPU in float32, and slower in bf16.
        network = network.to(memory_format=torch.channels_last)
    return DENOISERS[recipe.training.formulation](network, recipe.training)


def exploding_time(sigma: Tensor) -> Tensor:
    """Return the time at which the exploding process of base 25 has the standard deviation."""
    log_base = math.log(EXPLODING_BASE)
    return torch.log1p(2 * log_base * sigma**2) / (2 * log_base)


def preserving_alpha_bar(schedule: BetaSchedule) -> Tensor:
    """Return alpha_bar of the 1000 levels of the variance-preserving process, float64.

    `linear`: betas from 1e-4 to 0.02 (Ho et al. 2020, section 4). `cosine`: Nichol and Dhariwal
    2021, equation 17, with their limit of 0.999 on each beta.
    """
    if schedule == "linear":
        betas = torch.linspace(1e-4, 0.02, NOISE_LEVELS, dtype=torch.float64)
    else:
        shares = torch.arange(NOISE_LEVELS + 1, dtype=torch.float64) / NOISE_LEVELS
        curve = torch.cos((shares + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
    return torch.cumprod(1 - betas, dim=0)


def _interpolate(values: Tensor, known: Tensor, targets: Tensor) -> Tensor:
    """Read the piecewise linear curve through (known, targets) at `values`; flat outside."""
    known, targets = known.to(values), targets.to(values)
    right = torch.searchsorted(known, values.contiguous()).clamp(1, len(known) - 1)
    share = ((values - known[right - 1]) / (known[right] - known[right - 1])).clamp(0, 1)
    return torch.lerp(targets[right - 1], targets[right], share)


def _white_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]
