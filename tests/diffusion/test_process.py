"""The three formulations against closed forms, with stub networks; guidance with stub denoisers.

For Gaussian images the network that predicts best is known: the denoiser around it must be the
exact posterior mean, and its loss the least there is.
"""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_alpha_bars import ALPHA_BARS
from torch import nn

from diffusion.data import to_signed_range
from diffusion.guidance import guide
from diffusion.process import (
    DENOISERS,
    EdmDenoiser,
    NoisePredictionDenoiser,
    build_denoiser,
)
from diffusion.recipe import DataConfig, TrainingConfig

TRAINING = TrainingConfig(train_images=1)
STANDARDIZING = TrainingConfig(train_images=1, standardize=True)
SIGMA_DATA = 0.5  # As Karras et al. 2022 assume.
DATA = DataConfig("digits", 28, 1, 10, "")
NO_LABELS = torch.zeros(4, dtype=torch.int64)
SIGMAS = torch.tensor([0.002, 0.1, 1.0, 80.0])

# Images of 2x2 correlated pixels in [-1, 1]; along AXES their variances are 0.03 to 0.77.
MEAN = torch.tensor([0.3, -0.2, 0.1, 0.5], dtype=torch.float64)
PIXELS = torch.arange(4, dtype=torch.float64)
VARIANCES, AXES = torch.linalg.eigh(0.25 * 0.8 ** (PIXELS[:, None] - PIXELS).abs())

ALL = pytest.mark.parametrize(
    ("formulation", "beta_schedule"),
    [
        ("edm", "linear"),
        ("score_matching", "linear"),
        ("noise_prediction", "linear"),
        ("noise_prediction", "cosine"),
    ],
)


class Constant(nn.Module):
    """A network that predicts one value and remembers what it was given."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images, noise_labels, class_labels):
        self.given = images, noise_labels, class_labels
        return torch.full_like(images, self.value)


class Best(nn.Module):
    """The network that predicts best for the Gaussian images, but for a scale and a shift.

    It reads the noise level off its noise label, as the formulation's paper writes it.
    """

    def __init__(self, training, scale=1.0, shift=0.0):
        super().__init__()
        self.predict = getattr(self, training.formulation)
        sigmas = [math.sqrt(1 / alpha_bar - 1) for alpha_bar in ALPHA_BARS[training.beta_schedule]]
        self.log_sigmas = torch.tensor(sigmas, dtype=torch.float64).log()
        self.scale, self.shift = scale, shift

    def forward(self, images, noise_labels, class_labels):
        raw = self.predict(images.double().flatten(1), noise_labels.double()[:, None])
        return (self.scale * raw + self.shift).float().view_as(images)

    def edm(self, x, label):
        """F of Karras et al. 2022, equation 7: what is left of the posterior mean."""
        sigma = (4 * label).exp()
        size = (sigma**2 + SIGMA_DATA**2).sqrt()
        skipped = SIGMA_DATA**2 / size * x
        return (posterior_mean(x * size, sigma) - skipped) * size / (sigma * SIGMA_DATA)

    def score_matching(self, x, label):
        """std(t) times the score of images in [0, 1], at time t."""
        std = ((25 ** (2 * label) - 1) / (2 * math.log(25))).sqrt()
        return std * score(x, (MEAN + 1) / 2, VARIANCES / 4, std)

    def noise_prediction(self, x, label):
        """-sqrt(1 - alpha_bar) times the score of x_t (Ho et al. 2020, section 3.2)."""
        level = (1_000 * label).clamp(max=998.999_999).floor().long()
        share = 1_000 * label - level
        low, high = self.log_sigmas[level], self.log_sigmas[level + 1]
        alpha_bar = 1 / (1 + (low + share * (high - low)).exp() ** 2)
        std = (1 - alpha_bar).sqrt()
        return -std * score(x, alpha_bar.sqrt() * MEAN, alpha_bar * VARIANCES, std)


def score(x, mean, variances, std):
    """Return the gradient of the log density of N(mean, variances along AXES + std^2)."""
    return -((x - mean) @ AXES / (variances + std**2)) @ AXES.T


def posterior_mean(x, sigma, mean=MEAN, variances=VARIANCES):
    return x + sigma**2 * score(x, mean, variances, sigma)


def training_of(formulation, beta_schedule="linear", **fields):
    return TrainingConfig(1, formulation=formulation, beta_schedule=beta_schedule, **fields)


def best_denoiser(formulation, beta_schedule="linear", **perturbation):
    training = training_of(formulation, beta_schedule)
    return DENOISERS[formulation](Best(training, **perturbation), training, DATA)


def constant_denoiser(formulation, beta_schedule="linear", value=0.0):
    return DENOISERS[formulation](Constant(value), training_of(formulation, beta_schedule), DATA)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def white(count, size=8, std=1.0, seed=0):
    return std * torch.randn(count, 1, size, size, generator=generator(seed))


def gaussian_images(count, seed=0):
    noise = torch.randn(count, 4, generator=generator(seed), dtype=torch.float64)
    return (MEAN + noise * VARIANCES.sqrt() @ AXES.T).float().view(count, 1, 2, 2)


def hidden_labels(count):
    return torch.zeros(count, dtype=torch.int64)


# What holds for all formulations.


@ALL
def test_best_network_makes_the_posterior_mean(formulation, beta_schedule):
    denoiser = best_denoiser(formulation, beta_schedule)
    lowest, highest = denoiser.sigma_min, denoiser.sigma_at(torch.tensor(1.0)).item()
    sigma = torch.logspace(math.log10(lowest), math.log10(highest), 64)
    mean, variances = MEAN, VARIANCES
    if formulation == "score_matching":
        mean, variances = (MEAN + 1) / 2, VARIANCES / 4
    noisy = white(64, size=2) * sigma[:, None, None, None]
    denoised = denoiser(noisy, sigma, hidden_labels(64)).double().flatten(1)
    expected = posterior_mean(noisy.double().flatten(1), sigma.double()[:, None], mean, variances)
    # The network's float32 output is multiplied by sigma.
    assert ((denoised - expected).abs().amax(dim=1) < 1e-5 + 3e-6 * sigma).all()


@ALL
def test_images_come_back_to_the_range_from_minus_one_to_one(formulation, beta_schedule):
    # In [0, 1] the same noise is half as large.
    denoiser = best_denoiser(formulation, beta_schedule)
    half = formulation == "score_matching"
    noisy = gaussian_images(4) + 0.4 * white(4, size=2)
    given, sigma = ((noisy + 1) / 2, 0.2) if half else (noisy, 0.4)
    denoised = denoiser.to_signed_range(denoiser(given, torch.full((4,), sigma), NO_LABELS))
    expected = posterior_mean(noisy.double().flatten(1), 0.4)
    torch.testing.assert_close(denoised.double().flatten(1), expected, rtol=0, atol=2e-5)


def least_loss(formulation, beta_schedule):
    """Return the mean over noise levels of the weighted posterior variance, in closed form."""
    if formulation == "edm":
        levels = torch.linspace(-6, 6, 2_001, dtype=torch.float64)[:, None]
        density = (-(levels**2) / 2).exp() / (-(levels**2) / 2).exp().sum()
        sigma = (TRAINING.log_sigma_mean + TRAINING.log_sigma_std * levels).exp()
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        posterior_variances = VARIANCES * sigma**2 / (VARIANCES + sigma**2)
        return (density * weight * posterior_variances).sum().item() / 4
    # The variance that is left of the white noise.
    if formulation == "score_matching":
        times = torch.linspace(1e-5, 1, 2_001, dtype=torch.float64)[:, None]
        squares, variances = (25 ** (2 * times) - 1) / (2 * math.log(25)), VARIANCES / 4
    else:
        alpha_bars = torch.tensor(ALPHA_BARS[beta_schedule][1:], dtype=torch.float64)[:, None]
        squares, variances = 1 / alpha_bars - 1, VARIANCES
    return (variances / (variances + squares)).mean().item()


def loss_of(denoiser, images, seed=1):
    return denoiser.loss(images, hidden_labels(len(images)), generator(seed)).item()


@ALL
def test_best_network_has_the_posterior_variance_for_loss(formulation, beta_schedule):
    denoiser = best_denoiser(formulation, beta_schedule)
    losses = torch.tensor(
        [loss_of(denoiser, gaussian_images(2_000, seed), seed + 100) for seed in range(20)]
    )
    expected, standard_error = least_loss(formulation, beta_schedule), losses.std() / 20**0.5
    assert losses.mean().item() == pytest.approx(expected, abs=5 * standard_error.item())
    assert standard_error < 0.02 * expected


@ALL
@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.2, 0.5])
def test_loss_rises_with_the_square_of_a_networks_error(formulation, beta_schedule, shift):
    # Weighted as published, an error of the raw network counts the same at every noise level.
    images = gaussian_images(20_000)
    best = loss_of(best_denoiser(formulation, beta_schedule), images)
    worse = loss_of(best_denoiser(formulation, beta_schedule, shift=shift), images)
    # The cross term is 2 * shift * (mean of the best network's errors): five standard errors.
    tolerance = 5 * 2 * abs(shift) * math.sqrt(best / len(images))
    assert worse - best == pytest.approx(shift**2, abs=tolerance)


@ALL
@pytest.mark.parametrize("scale", [0.0, 0.8, 1.2])
def test_loss_is_least_at_the_best_scale(formulation, beta_schedule, scale):
    images = gaussian_images(20_000)
    best = loss_of(best_denoiser(formulation, beta_schedule), images)
    worse = loss_of(best_denoiser(formulation, beta_schedule, scale=scale), images)
    assert worse > best + 0.01


@ALL
def test_untrained_loss_is_about_one(formulation, beta_schedule):
    # The mean of 2^18 squared standard normals has a standard deviation of 0.003; `edm` needs
    # images of its own standard deviation for that, the others any.
    images = white(4_096, std=SIGMA_DATA)
    loss = loss_of(constant_denoiser(formulation, beta_schedule), images)
    assert loss == pytest.approx(1, abs=0.015)


@ALL
def test_loss_draws_from_its_generator_alone(formulation, beta_schedule):
    denoiser, images = constant_denoiser(formulation, beta_schedule, value=0.3), white(4)
    state = torch.get_rng_state()
    losses = [denoiser.loss(images, NO_LABELS, generator(seed)) for seed in (5, 5, 6)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), state)


@ALL
def test_class_labels_reach_the_network(formulation, beta_schedule):
    denoiser, labels = constant_denoiser(formulation, beta_schedule), torch.tensor([3, 1, 4, 1])
    denoiser(white(4), SIGMAS, labels)
    assert torch.equal(denoiser.network.given[2], labels)
    denoiser.loss(white(4), labels.flip(0), generator())
    assert torch.equal(denoiser.network.given[2], labels.flip(0))


class Convolution(nn.Module):
    """A network of one layer that remembers the type of its output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images, noise_labels, class_labels):
        raw = self.conv(images)
        self.dtype = raw.dtype
        return raw


@ALL
@pytest.mark.parametrize(("precision", "inside"), [("bf16", "bfloat16"), ("float32", "float32")])
def test_any_precision_gives_float32(formulation, beta_schedule, precision, inside):
    training = training_of(formulation, beta_schedule, precision=precision)
    denoiser = DENOISERS[formulation](Convolution(), training, DATA)
    denoised = denoiser(white(4), SIGMAS, NO_LABELS)
    assert denoiser.network.dtype == getattr(torch, inside)
    assert denoised.dtype == torch.float32
    loss = denoiser.loss(white(4), NO_LABELS, generator())
    loss.backward()
    assert loss.dtype == torch.float32
    assert denoiser.network.conv.weight.grad.dtype == torch.float32
    assert 0 < denoiser.network.conv.weight.grad.norm() < math.inf


@ALL
def test_precisions_agree_about(tiny_recipe, tiny_network, formulation, beta_schedule):
    noisy, losses, outputs = white(4), [], []
    for precision in ("bf16", "float32"):
        training = training_of(formulation, beta_schedule, precision=precision)
        denoiser = build_denoiser(tiny_network, replace(tiny_recipe, training=training))
        assert type(denoiser) is DENOISERS[formulation]
        with torch.no_grad():
            outputs.append(denoiser(noisy, SIGMAS.clamp(max=1), NO_LABELS))
            losses.append(denoiser.loss(noisy, NO_LABELS, generator()).item())
    assert not torch.equal(*outputs)
    torch.testing.assert_close(*outputs, rtol=0.05, atol=0.05)
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


@ALL
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_noise_levels_rise_with_time(formulation, beta_schedule, data):
    denoiser = constant_denoiser(formulation, beta_schedule)
    times = st.floats(denoiser.first_time, 1)
    early, late = sorted([data.draw(times), data.draw(times)])
    low, high = denoiser.sigma_at(torch.tensor([early, late], dtype=torch.float64)).tolist()
    assert low < high or late - early < 1e-12
    assert low <= high


# `edm`.


def test_zero_network_is_the_best_denoiser_of_white_images():
    # For x = y + n, y ~ N(0, s^2), n ~ N(0, sigma^2): E[y | x] = s^2 x / (s^2 + sigma^2).
    noisy = white(4)
    denoised = EdmDenoiser(Constant(0.0), TRAINING, DATA)(noisy, SIGMAS, NO_LABELS)
    factor = SIGMA_DATA**2 / (SIGMA_DATA**2 + SIGMAS**2)
    torch.testing.assert_close(denoised, factor[:, None, None, None] * noisy)


def test_network_counts_for_nothing_without_noise_and_for_all_in_much():
    noisy = white(4)
    denoiser = EdmDenoiser(Constant(1.0), TRAINING, DATA)
    clean = denoiser(noisy, torch.full((4,), 1e-6), NO_LABELS)
    torch.testing.assert_close(clean, noisy, rtol=1e-5, atol=1e-5)
    lost = denoiser(1e6 * noisy, torch.full((4,), 1e6), NO_LABELS)
    torch.testing.assert_close(lost, torch.full_like(noisy, SIGMA_DATA), rtol=1e-4, atol=1e-4)


def test_scale_of_the_output_is_c_out():
    noisy = white(4)
    ones, zeros = (
        EdmDenoiser(Constant(v), TRAINING, DATA)(noisy, SIGMAS, NO_LABELS) for v in (1.0, 0.0)
    )
    c_out = SIGMAS * SIGMA_DATA / (SIGMAS**2 + SIGMA_DATA**2).sqrt()
    expected = c_out[:, None, None, None].expand_as(noisy)
    torch.testing.assert_close(ones - zeros, expected, rtol=1e-4, atol=1e-6)


def test_network_is_given_unit_variance_and_the_log_of_the_noise_level():
    network = Constant(0.0)
    labels = torch.tensor([3, 1, 4, 1])
    noise = white(4, size=100, seed=1) * SIGMAS[:, None, None, None]
    noisy = white(4, size=100, std=SIGMA_DATA) + noise
    EdmDenoiser(network, TRAINING, DATA)(noisy, SIGMAS, labels)
    images, noise_labels, class_labels = network.given
    torch.testing.assert_close(images.std(dim=(1, 2, 3)), torch.ones(4), rtol=0.03, atol=0)
    torch.testing.assert_close(noise_labels, SIGMAS.log() / 4)
    assert torch.equal(class_labels, labels)


@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (3.0, 0.1), (-5.0, 0.5)])
def test_untrained_loss_is_one_at_any_noise_levels(mean, std):
    # The mean of 2^18 squared standard normals: its standard deviation is 0.003.
    training = TrainingConfig(train_images=1, log_sigma_mean=mean, log_sigma_std=std)
    loss = loss_of(EdmDenoiser(Constant(0.0), training, DATA), white(4_096, std=SIGMA_DATA))
    assert loss == pytest.approx(1, abs=0.015)


def test_untrained_loss_is_one_on_digits(mnist5k):
    images = to_signed_range(mnist5k.train_images)
    data = mnist5k.config()
    standardizing = EdmDenoiser(Constant(0.0), STANDARDIZING, data)
    assert loss_of(standardizing, images) == pytest.approx(1, abs=0.05)
    assert loss_of(EdmDenoiser(Constant(0.0), TRAINING, data), images) > 2.5


@pytest.mark.parametrize(("mean", "std"), [(-0.74, 0.62), (0.3, 0.2)])
def test_images_are_standardised_by_their_own_statistics(mean, std):
    data = replace(DATA, pixel_mean=mean, pixel_std=std)
    noisy, network = white(4), Constant(0.7)
    denoised = EdmDenoiser(network, STANDARDIZING, data)(noisy, SIGMAS, NO_LABELS)
    sigma = SIGMAS[:, None, None, None]
    size = (sigma**2 + std**2).sqrt()
    skipped = (noisy - mean) * std**2 / size**2
    torch.testing.assert_close(denoised, mean + skipped + 0.7 * sigma * std / size)
    torch.testing.assert_close(network.given[0], (noisy - mean) / size)


def test_data_without_statistics_is_denoised_as_before_to_the_bit():
    noisy, network = white(4), Constant(0.7)
    variance = SIGMAS**2 + 0.5**2
    c_skip, c_out, c_in = 0.5**2 / variance, SIGMAS * 0.5 / variance.sqrt(), 1 / variance.sqrt()
    c_skip, c_out, c_in = (c[:, None, None, None] for c in (c_skip, c_out, c_in))
    denoised = EdmDenoiser(network, TRAINING, DATA)(noisy, SIGMAS, NO_LABELS)
    assert torch.equal(denoised, c_skip * noisy + c_out * torch.full_like(noisy, 0.7))
    assert torch.equal(network.given[0], c_in * noisy)


def test_noise_levels_are_log_normal():
    network = Constant(0.0)
    training = TrainingConfig(train_images=1, log_sigma_mean=-0.7, log_sigma_std=1.5)
    loss_of(EdmDenoiser(network, training, DATA), torch.zeros(20_000, 1, 1, 1))
    log_sigma = 4 * network.given[1]
    assert log_sigma.mean().item() == pytest.approx(-0.7, abs=0.04)
    assert log_sigma.std().item() == pytest.approx(1.5, rel=0.02)
    assert (log_sigma < -0.7).double().mean().item() == pytest.approx(0.5, abs=0.015)


def test_edm_noise_levels_grow_geometrically():
    times = torch.linspace(0, 1, 5)
    expected = [0.02 * 4_000**time for time in times.tolist()]
    assert constant_denoiser("edm").sigma_at(times).tolist() == pytest.approx(expected)


# `score_matching`.


def test_score_is_the_networks_output_over_the_noise_level():
    # D = x + sigma^2 * score, at the published noise label: the time, from 1e-5 to 1.
    denoiser, noisy = constant_denoiser("score_matching", value=0.7), white(3)
    times = torch.tensor([1e-3, 0.3, 1.0], dtype=torch.float64)
    sigma = denoiser.sigma_at(times).float()
    denoised = denoiser(noisy, sigma, hidden_labels(3))
    torch.testing.assert_close(denoised, noisy + 0.7 * sigma[:, None, None, None])
    images, noise_labels, _ = denoiser.network.given
    assert torch.equal(images, noisy)
    torch.testing.assert_close(noise_labels, times.float(), rtol=1e-6, atol=0)


def test_score_matching_trains_in_the_unit_range_on_uniform_times():
    count = 20_000
    denoiser = constant_denoiser("score_matching")
    loss_of(denoiser, torch.ones(count, 1, 2, 2))
    images, times, _ = denoiser.network.given
    assert 1e-5 <= times.min() < 1e-5 + 10 / count
    assert 1 - 10 / count < times.max() <= 1
    assert times.mean().item() == pytest.approx(0.5, abs=5 / math.sqrt(12 * count))
    assert times.var().item() == pytest.approx(1 / 12, rel=0.03)
    # White pixels are 1 here, and noise has the standard deviation of its time.
    std = ((25 ** (2 * times) - 1) / (2 * math.log(25))).sqrt()
    whitened = (images - 1) / std[:, None, None, None]
    assert whitened.mean().item() == pytest.approx(0, abs=5 / math.sqrt(4 * count))
    assert whitened.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / (4 * count)))


# `noise_prediction`.


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_noise_label_is_the_level_in_thousandths(schedule):
    denoiser = constant_denoiser("noise_prediction", schedule)
    sigmas = torch.tensor([math.sqrt(1 / a - 1) for a in ALPHA_BARS[schedule]]).double()
    middles = (sigmas[1:] * sigmas[:-1]).sqrt()
    for sigma, expected in (
        (sigmas, torch.arange(1_000) / 1_000),
        (middles, (torch.arange(999) + 0.5) / 1_000),
        (torch.tensor([1e-4, 1e6]), torch.tensor([0.0, 0.999])),  # flat outside
    ):
        denoiser(white(len(sigma), size=1), sigma.float(), hidden_labels(len(sigma)))
        torch.testing.assert_close(denoiser.network.given[1], expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_preserving_times_are_counted_from_one(schedule):
    denoiser = constant_denoiser("noise_prediction", schedule)
    sigmas = [math.sqrt(1 / a - 1) for a in ALPHA_BARS[schedule]]
    times = torch.tensor([0.001, 0.002, 0.5, 0.7, 0.999, 1.0], dtype=torch.float64)
    expected = [sigmas[i] for i in (0, 1, 499, 699, 998, 999)]
    assert denoiser.sigma_at(times).tolist() == pytest.approx(expected, rel=1e-9)
    between = denoiser.sigma_at(torch.tensor([0.50025], dtype=torch.float64)).item()
    assert between == pytest.approx(sigmas[499] ** 0.75 * sigmas[500] ** 0.25)


def test_noise_is_predicted_from_images_of_kept_variance():
    # x_t = sqrt(alpha_bar) y + sqrt(1 - alpha_bar) eps, and D = x - sigma * eps.
    denoiser = constant_denoiser("noise_prediction", value=0.7)
    noisy, alpha_bars = white(3), torch.tensor([ALPHA_BARS["linear"][i] for i in (1, 500, 999)])
    sigma = (1 / alpha_bars - 1).sqrt()
    denoised = denoiser(noisy, sigma, hidden_labels(3))
    torch.testing.assert_close(denoised, noisy - 0.7 * sigma[:, None, None, None])
    scaled = alpha_bars.sqrt()[:, None, None, None] * noisy
    torch.testing.assert_close(denoiser.network.given[0], scaled)


def test_noise_prediction_trains_on_all_levels_but_the_lowest():
    count = 50_000
    denoiser = constant_denoiser("noise_prediction")
    loss_of(denoiser, torch.full((count, 1, 1, 1), 0.5))
    scaled, noise_labels, _ = denoiser.network.given
    levels = (noise_labels * 1_000).round().long()
    torch.testing.assert_close(noise_labels, levels / 1_000, rtol=0, atol=1e-7)
    assert levels.unique().tolist() == list(range(1, 1_000))
    assert levels.double().mean().item() == pytest.approx(
        500, abs=5 * 1_000 / math.sqrt(12 * count)
    )
    alpha_bars = torch.tensor(ALPHA_BARS["linear"])[levels]
    whitened = (scaled.flatten() - 0.5 * alpha_bars.sqrt()) / (1 - alpha_bars).sqrt()
    assert whitened.mean().item() == pytest.approx(0, abs=5 / math.sqrt(count))
    assert whitened.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / count))


# Guidance.


class LabelDenoiser(nn.Module):
    """D(x, sigma, label) = x + sigma * label; remembers the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, noisy, sigma, labels):
        self.batches.append(len(noisy))
        return noisy + (sigma * labels)[:, None, None, None]


@pytest.mark.parametrize("guidance", [0, 0.0, 0.5, 1, 1.0, 1.5, 4.0])
def test_guidance_extrapolates_from_hidden_to_label(guidance):
    # D = D(hidden) + guidance * (D(label) - D(hidden)), with D linear in the label.
    labels, hidden, sigma = torch.tensor([0, 1, 2]), 7, 0.5
    denoiser = LabelDenoiser()
    noisy = white(3)
    denoised = guide(denoiser, labels, hidden, guidance)(noisy, sigma)
    effective = hidden + guidance * (labels - hidden)
    torch.testing.assert_close(denoised, noisy + sigma * effective[:, None, None, None])
    assert denoiser.batches == [3 if guidance in (0, 1) else 6]


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5])
def test_guided_denoiser_is_called_once_a_step(guidance):
    denoiser = LabelDenoiser()
    denoise = guide(denoiser, torch.tensor([0, 1]), 2, guidance)
    for sigma in (3.0, 2.0, 1.0):
        denoise(white(2), sigma)
    assert denoiser.batches == [4 if guidance == 1.5 else 2] * 3


def test_guided_noise_is_the_published_lerp_of_both_predictions():
    class NoiseOfLabel(nn.Module):
        def forward(self, images, noise_labels, class_labels):
            return torch.sin(images + class_labels[:, None, None, None])

    denoiser = NoisePredictionDenoiser(NoiseOfLabel(), training_of("noise_prediction"), DATA)
    labels, noisy, sigma = torch.tensor([2, 5]), white(2), 3.0
    scaled = noisy / math.sqrt(10)
    unconditional, conditional = (
        torch.sin(scaled + each[:, None, None, None]) for each in (torch.full((2,), 10), labels)
    )
    expected = noisy - sigma * torch.lerp(unconditional, conditional, 3.0)
    denoised = guide(denoiser, labels, 10, 3.0)(noisy, sigma)
    torch.testing.assert_close(denoised, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_guidance_ends_where_its_interval_does(guidance):
    denoiser, labels, noisy = LabelDenoiser(), torch.tensor([0, 1]), white(2)
    denoise = guide(denoiser, labels, 2, guidance, 0.5, 2.0)
    always, plain = (
        guide(LabelDenoiser(), labels, 2, guidance),
        guide(LabelDenoiser(), labels, 2, 1),
    )
    for sigma in (3.0, 0.25):
        assert torch.equal(denoise(noisy, sigma), plain(noisy, sigma))
    assert denoiser.batches == [2, 2]
    for sigma in (2.0, 1.0, 0.5):
        assert torch.equal(denoise(noisy, sigma), always(noisy, sigma))
        assert not torch.equal(denoise(noisy, sigma), plain(noisy, sigma))
