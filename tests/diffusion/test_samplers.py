"""The samplers on Gaussian data, where the denoiser and the paths are known exactly."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.denoiser import SIGMA_MAX, SIGMA_MIN
from diffusion.errors import MetricUndefined
from diffusion.guidance import guide
from diffusion.process import DENOISERS, NoisePredictionDenoiser
from diffusion.recipe import DataConfig, SamplingConfig, TrainingConfig
from diffusion.samplers import SAMPLERS, build_sampler
from diffusion.schedules import karras_sigmas, noise_levels

# Images of 2x2 correlated pixels: along AXES their variances are 0.03, 0.05, 0.15 and 0.77.
MEAN = torch.tensor([0.3, -0.2, 0.1, 0.5], dtype=torch.float64)
PIXELS = torch.arange(4, dtype=torch.float64)
COVARIANCE = 0.25 * 0.8 ** (PIXELS[:, None] - PIXELS).abs()
VARIANCES, AXES = torch.linalg.eigh(COVARIANCE)

ORDERS = {"ddim": 1, "heun": 2, "dpm_solver_pp_2m": 2}  # deterministic, in fixed steps
ODE = SAMPLERS["probability_flow_ode"]
ALL = pytest.mark.parametrize("sampler", SAMPLERS)
LEVELS = [4.0, 2.0, 1.0, 0.0]

DATA = DataConfig("digits", 28, 1, 10, "")


class GaussianDenoiser:
    """E[y | y + n] for images y ~ N(MEAN, COVARIANCE), noise n ~ N(0, sigma^2); notes its calls.

    Score matching works with images in [0, 1].
    """

    def __init__(self, in_unit_range=False):
        self.calls = []
        self.mean = (MEAN + 1) / 2 if in_unit_range else MEAN
        self.variances = VARIANCES / 4 if in_unit_range else VARIANCES

    def __call__(self, noisy, sigma):
        self.calls.append(sigma)
        gain = (AXES * (self.variances / (self.variances + sigma**2))) @ AXES.T
        mean = self.mean.to(noisy)
        return (mean + (noisy.flatten(1) - mean) @ gain.to(noisy)).view_as(noisy)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def white(count=64, dtype=torch.float32, seed=0):
    return torch.randn(count, 1, 2, 2, generator=generator(seed), dtype=dtype)


def exact_noise(count=64):
    return white(count, torch.float64)


def draw(sampler, sigmas, noise, seed=0, **options):
    return SAMPLERS[sampler](GaussianDenoiser(), noise, sigmas, generator(seed), **options)


def affine_moments(sampler, sigmas, denoise=None):
    """Return the exact mean and covariance of a deterministic sampler: it is affine in noise."""
    noise = torch.cat([torch.zeros(1, 4), torch.eye(4)]).double().view(5, 1, 2, 2)
    images = SAMPLERS[sampler](denoise or GaussianDenoiser(), noise, sigmas, generator())
    mean, ends = images.flatten(1)[0], images.flatten(1)[1:]
    return mean, (ends - mean).T @ (ends - mean)


def moment_error(mean, covariance):
    """Return the larger of the mean's error and the covariance's relative one."""
    return max(rms(mean - MEAN), ((covariance - COVARIANCE).norm() / COVARIANCE.norm()).item())


def flow_end(noise, sigmas, last_denoised=True):
    """Follow the probability flow to the last noise level, then denoise; or flow on down to 0.

    Along each axis the distance to the mean is proportional to the noisy images' deviation.
    """
    first, last = sigmas[0], sigmas[-2] if last_denoised else 0.0
    stretch = ((VARIANCES + last**2) / (VARIANCES + first**2)).sqrt()
    away = (noise.flatten(1) * first - MEAN) @ AXES
    away = away * stretch * VARIANCES / (VARIANCES + last**2)
    return (MEAN + away @ AXES.T).view_as(noise)


def rms(difference):
    return difference.square().mean().sqrt().item()


# Deterministic samplers.


@pytest.mark.parametrize(
    ("sampler", "tolerances"),
    [
        # That the mean of the noise is 0, not MEAN, costs 0.002 at 80.
        ("ddim", {32: 0.25, 128: 0.06, 512: 0.015}),
        ("heun", {32: 0.03, 128: 0.004, 512: 0.002}),
        ("dpm_solver_pp_2m", {32: 0.03, 128: 0.004, 512: 0.002}),
        ("probability_flow_ode", {2: 0.002}),  # it chooses its own steps
    ],
)
def test_deterministic_samplers_reach_the_data(sampler, tolerances):
    for steps, tolerance in tolerances.items():
        moments = affine_moments(sampler, karras_sigmas(steps, sigma_min=0.002))
        assert moment_error(*moments) < tolerance


@pytest.mark.parametrize(("sampler", "order"), ORDERS.items())
def test_deterministic_samplers_have_their_order(sampler, order):
    # The last step, from sigma_min to 0, is the same for all: see the next test.
    noise, errors = exact_noise(), []
    for steps in (64, 128, 256, 512):
        sigmas = karras_sigmas(steps)
        errors.append(rms(draw(sampler, sigmas, noise) - flow_end(noise, sigmas)))
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([order] * 3, abs=0.15)


def test_last_step_to_zero_costs_the_square_of_the_least_noise_level():
    noise, errors = exact_noise(), []
    for sigma_min in (0.04, 0.02, 0.01):
        sigmas = karras_sigmas(2, sigma_min=sigma_min)
        images = draw("probability_flow_ode", sigmas, noise, tolerance=1e-9)
        errors.append(rms(images - flow_end(noise, sigmas, last_denoised=False)))
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([2, 2], abs=0.1)


def test_ode_solver_keeps_its_tolerance():
    noise, sigmas, errors, calls = exact_noise(), karras_sigmas(2), [], []
    for tolerance in (1e-3, 1e-5, 1e-7, 1e-9):
        denoise = GaussianDenoiser()
        images = ODE(denoise, noise, sigmas, generator(), tolerance=tolerance)
        errors.append(rms(images - flow_end(noise, sigmas)))
        assert errors[-1] < 3 * tolerance
        calls.append(len(denoise.calls))
    assert all(coarse > 10 * fine for coarse, fine in pairwise(errors))
    # Of fifth order: a hundredth of the error takes 2.5 times the steps.
    assert all(1.5 < more / fewer < 3.5 for fewer, more in pairwise(calls))


def test_ode_solver_needs_the_ends_alone():
    noise = exact_noise()
    few, many = karras_sigmas(2), karras_sigmas(50)
    assert torch.equal(
        draw("probability_flow_ode", few, noise), draw("probability_flow_ode", many, noise)
    )
    denoise = GaussianDenoiser()
    ODE(denoise, noise, many, generator())
    assert denoise.calls[0] == pytest.approx(SIGMA_MAX)
    assert denoise.calls[-1] == pytest.approx(SIGMA_MIN)
    assert max(denoise.calls) < SIGMA_MAX * (1 + 1e-9)
    assert min(denoise.calls) > SIGMA_MIN * (1 - 1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("below", [100.0, 5.0, 0.021])
def test_ode_solver_refuses_a_denoiser_that_is_not_finite(value, below):
    # On NaN, scipy would never return, or return where it got stuck.
    def denoise(noisy, sigma):
        return GaussianDenoiser()(noisy, sigma) if sigma > below else noisy * value

    with pytest.raises(MetricUndefined, match="denoiser is not finite at sigma"):
        ODE(denoise, white(2), karras_sigmas(2), generator())


def test_ode_solver_says_that_it_gave_up():
    signs = []

    def denoise(noisy, sigma):
        signs.append(-signs[-1] if signs else 1)
        return torch.full_like(noisy, signs[-1] * 1e30)

    with pytest.raises(MetricUndefined, match="gave up: Required step size"):
        ODE(denoise, white(2), karras_sigmas(2), generator())


def test_multistep_solver_extrapolates_to_the_middle_of_uneven_steps():
    # A denoiser that is linear in lambda = -log(sigma) is known there exactly.
    seen = []

    def denoise(noisy, sigma):
        seen.append(noisy)
        return torch.full_like(noisy, -math.log(sigma))

    noise, sigmas = white(1), [8.0, 4.0, 0.5, 0.4, 0.0]
    SAMPLERS["dpm_solver_pp_2m"](denoise, noise, sigmas, generator())
    expected = 8 * noise
    for i, (sigma, next_sigma) in enumerate(pairwise(sigmas[:-1])):
        middle = -math.log(sigma if i == 0 else math.sqrt(sigma * next_sigma))
        expected = middle + (expected - middle) * next_sigma / sigma
        torch.testing.assert_close(seen[i + 1], expected)


def test_multistep_solver_refuses_levels_that_do_not_end_in_zero():
    with pytest.raises(ValueError, match=r"sigmas end in 0\.5; allowed: a list that ends in 0"):
        draw("dpm_solver_pp_2m", [2.0, 1.0, 0.5], white())


@pytest.mark.parametrize("sampler", ORDERS)
def test_deterministic_samplers_draw_each_image_by_itself(sampler):
    noise, sigmas = exact_noise(6), karras_sigmas(12)
    together = draw(sampler, sigmas, noise)
    apart = torch.cat([draw(sampler, sigmas, part) for part in noise.split([1, 3, 2])])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def test_ode_solver_draws_each_image_by_itself_within_its_tolerance():
    noise, sigmas = exact_noise(6), karras_sigmas(2)
    together = draw("probability_flow_ode", sigmas, noise)
    apart = torch.cat([draw("probability_flow_ode", sigmas, part) for part in noise.split(2)])
    assert 0 < (together - apart).abs().max() < 3e-5


# Stochastic samplers: what their linear steps do to mean and variance along each axis.


def shrink(sigma):
    return VARIANCES / (VARIANCES + sigma**2)


def ddim_steps(sigma, next_sigma, variances, eta):
    # Equation 12: the estimate, plus what is kept of the noise, plus fresh noise.
    fresh = eta * math.sqrt(next_sigma**2 - next_sigma**4 / sigma**2)
    kept = math.sqrt(next_sigma**2 - fresh**2) / sigma
    return [(shrink(sigma) + kept * (1 - shrink(sigma)), fresh)]


def ancestral_steps(sigma, next_sigma, variances):
    mean_share = (next_sigma / sigma) ** 2
    alpha = (1 + next_sigma**2) / (1 + sigma**2)  # 1 - beta_t
    fresh = math.sqrt((1 - alpha) * (1 + next_sigma**2)) if next_sigma else 0.0
    return [(shrink(sigma) + mean_share * (1 - shrink(sigma)), fresh)]


def euler_maruyama_steps(sigma, next_sigma, variances):
    decrease = sigma**2 - next_sigma**2
    fresh = math.sqrt(decrease) if next_sigma else 0.0
    return [(1 - decrease / (VARIANCES + sigma**2), fresh)]


PROBES = torch.randn(5_000, 4, generator=generator(9), dtype=torch.float64)


def predictor_corrector_steps(sigma, next_sigma, variances, snr=0.16):
    scores = PROBES * variances.sqrt() / (VARIANCES + sigma**2)
    step = 2 * (snr * 2 / scores.norm(dim=1).mean()) ** 2  # 2: the norm of noise of 4 pixels
    langevin = (1 - step / (VARIANCES + sigma**2), (2 * step).sqrt())
    return [langevin, *euler_maruyama_steps(sigma, next_sigma, variances)]


def walk(steps_of, sigmas):
    """Return mean (from MEAN) and variance along each axis after a sampler's linear steps."""
    mean, variances = -MEAN @ AXES, torch.full((4,), sigmas[0] ** 2, dtype=torch.float64)
    for sigma, next_sigma in pairwise(sigmas):
        for keep, fresh in steps_of(sigma, next_sigma, variances):
            mean, variances = keep * mean, keep**2 * variances + fresh**2
    return mean, variances


def walk_error(steps_of, sigmas):
    mean, variances = walk(steps_of, sigmas)
    return moment_error(MEAN + AXES @ mean, (AXES * variances) @ AXES.T)


STOCHASTIC = [
    pytest.param("ddim", {"eta": 0.5}, ddim_steps, id="ddim-0.5"),
    pytest.param("ddim", {"eta": 1.0}, ddim_steps, id="ddim-1"),
    pytest.param("ancestral", {}, ancestral_steps, id="ancestral"),
    pytest.param("euler_maruyama", {}, euler_maruyama_steps, id="euler_maruyama"),
    pytest.param("predictor_corrector", {}, predictor_corrector_steps, id="pc-0.16"),
    pytest.param("predictor_corrector", {"snr": 0.4}, predictor_corrector_steps, id="pc-0.4"),
]


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC)
@pytest.mark.parametrize("steps", [4, 24])
def test_stochastic_samplers_have_the_moments_of_their_steps(sampler, options, steps_of, steps):
    count, sigmas = 60_000, karras_sigmas(steps, sigma_max=20.0)
    images = draw(sampler, sigmas, white(count), seed=1, **options).double().flatten(1)
    mean, variances = walk(partial(steps_of, **options), sigmas)
    # White with unit variance, if they are as foretold: five standard errors are allowed.
    whitened = ((images - MEAN) @ AXES - mean) / variances.sqrt()
    assert whitened.mean(dim=0).abs().max() < 5 / math.sqrt(count)
    assert (whitened.T.cov() - torch.eye(4)).abs().max() < 5 * math.sqrt(2 / count)


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC[:4])
def test_stochastic_steps_near_the_data_at_first_order(sampler, options, steps_of):
    errors = [
        walk_error(partial(steps_of, **options), karras_sigmas(steps, sigma_min=0.002))
        for steps in (250, 500, 1_000)
    ]
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([1, 1], abs=0.1)
    assert errors[-1] < 0.012


def test_corrector_leaves_an_error_of_the_square_of_its_signal_to_noise_ratio():
    # Langevin steps of fixed size settle at a variance that is a little too large.
    def steps_of(snr):
        return partial(predictor_corrector_steps, snr=snr)

    sigmas = karras_sigmas(1_000, sigma_min=0.002)
    errors = [walk_error(steps_of(snr), sigmas) for snr in (0.32, 0.16, 0.02)]
    assert 3 < errors[0] / errors[1] < 5
    assert errors[1] < 0.03
    assert errors[2] < 0.01


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC[:5])
def test_stochastic_samplers_reach_the_data(sampler, options, steps_of):
    count = 4_000
    images = draw(sampler, karras_sigmas(500), white(count), **options).double().flatten(1)
    whitened = (images - MEAN) @ AXES / VARIANCES.sqrt()
    # Five standard errors, and what 500 steps leave.
    assert whitened.mean(dim=0).abs().max() < 5 / math.sqrt(count) + 0.01
    assert (whitened.T.cov() - torch.eye(4)).abs().max() < 5 * math.sqrt(2 / count) + 0.05


# The variance-preserving samplers, as their papers write them.


def eps_of(x_t, alpha_bar):
    """Stand in for a network that predicts noise, roughly: any function of both will do."""
    return 0.8 * x_t + alpha_bar * torch.tanh(2 * x_t.flip(-1)) - 0.1


def denoise_preserving(noisy, sigma):
    alpha_bar = 1 / (1 + sigma**2)
    return noisy - sigma * eps_of(math.sqrt(alpha_bar) * noisy, alpha_bar)


def ddim_textbook(x_t, alpha_bars, drawing, eta):
    """Equations 12 and 16 of Song, Meng and Ermon 2021."""
    for alpha_bar, alpha_bar_next in pairwise([*alpha_bars, 1.0]):
        eps = eps_of(x_t, alpha_bar)
        x_0 = (x_t - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)
        sigma_t = eta * math.sqrt(
            (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
        )
        direction = math.sqrt(1 - alpha_bar_next - sigma_t**2) * eps
        x_t = math.sqrt(alpha_bar_next) * x_0 + direction
        if sigma_t > 0:
            x_t = x_t + sigma_t * torch.randn(x_t.shape, generator=drawing)
    return x_t


def ancestral_textbook(x_t, alpha_bars, drawing, eps=eps_of):
    """Algorithm 2 of Ho et al. 2020, with variance beta_t."""
    for alpha_bar, alpha_bar_next in pairwise([*alpha_bars, 1.0]):
        alpha = alpha_bar / alpha_bar_next
        beta = 1 - alpha
        share = beta / math.sqrt(1 - alpha_bar)
        x_t = (x_t - share * eps(x_t, alpha_bar)) / math.sqrt(alpha)
        if alpha_bar_next < 1:
            x_t = x_t + math.sqrt(beta) * torch.randn(x_t.shape, generator=drawing)
    return x_t


def preserving_levels(steps, schedule="uniform"):
    """Return a linear-beta schedule as sigmas and as alpha_bars."""
    denoiser = NoisePredictionDenoiser(nn.Identity(), TrainingConfig(train_images=1), DATA)
    sigmas = noise_levels(SamplingConfig(steps=steps, schedule=schedule), denoiser)
    return sigmas, [1 / (1 + sigma**2) for sigma in sigmas[:-1]]


@pytest.mark.parametrize("schedule", ["uniform", "quadratic"])
@pytest.mark.parametrize("steps", [3, 50])
@pytest.mark.parametrize(
    ("sampler", "options", "textbook"),
    [
        ("ddim", {"eta": 0.0}, ddim_textbook),
        ("ddim", {"eta": 0.5}, ddim_textbook),
        ("ddim", {"eta": 1.0}, ddim_textbook),
        ("ancestral", {}, ancestral_textbook),
    ],
)
def test_sampler_is_the_textbook_one_rescaled(sampler, options, textbook, steps, schedule):
    sigmas, alpha_bars = preserving_levels(steps, schedule)
    noise = exact_noise(3)
    images = SAMPLERS[sampler](denoise_preserving, noise, sigmas, generator(5), **options)
    start = noise * math.sqrt(1 - alpha_bars[0])
    expected = textbook(start, alpha_bars, generator(5), **options)
    torch.testing.assert_close(images, expected, rtol=1e-6, atol=1e-6)


class LabelledNoise(nn.Module):
    """A network that predicts noise by the published noise label, which counts to 1000."""

    def forward(self, images, noise_labels, class_labels):
        waves = torch.cos(60 * noise_labels + class_labels)[:, None, None, None]
        return 0.8 * images + waves * torch.tanh(images.flip(-1)) / 5


def test_published_sampling_is_its_999_guided_steps_in_the_linear_betas():
    betas = torch.linspace(1e-4, 0.02, 1_000, dtype=torch.float64)
    published = (1 - betas).cumprod(0).tolist()
    labels, hidden, network = torch.tensor([3, 8]), torch.tensor([10, 10]), LabelledNoise()

    def guided_eps(x_t, alpha_bar):
        share = torch.full((2,), published.index(alpha_bar) / 1_000, dtype=torch.float64)
        return torch.lerp(network(x_t, share, hidden), network(x_t, share, labels), 3.0)

    sampling = SamplingConfig("ancestral", steps=999, schedule="uniform", guidance=3.0)
    denoiser = NoisePredictionDenoiser(network, TrainingConfig(train_images=1), DATA)
    images = build_sampler(sampling)(
        guide(denoiser, labels, 10, sampling.guidance),
        white(2),
        noise_levels(sampling, denoiser),
        generator(5),
    )
    start = white(2).double() * math.sqrt(1 - published[999])
    expected = ancestral_textbook(start, published[:0:-1], generator(5), guided_eps)
    assert expected.std() > 0.1
    torch.testing.assert_close(images.double(), expected, rtol=1e-4, atol=1e-4)


def second_input(sampler, **options):
    """Return what a sampler gives the denoiser after one step from 2 to 1."""
    seen = []

    def denoise(noisy, sigma):
        seen.append(noisy)
        return GaussianDenoiser()(noisy, sigma)

    SAMPLERS[sampler](denoise, exact_noise(), [2.0, 1.0, 0.0], generator(5), **options)
    return seen[1]


def test_full_eta_differs_from_ancestral_sampling_only_in_the_variance():
    # alpha_bar is 1/5 at sigma 2 and 1/2 at sigma 1: beta is 3/5, the posterior's variance
    # beta * (1/2) / (4/5) = 3/8, and both are over alpha_bar = 1/2 here.
    fresh = white(seed=5).double()
    ancestral, ddim = second_input("ancestral"), second_input("ddim", eta=1.0)
    apart = fresh * (math.sqrt(6 / 5) - math.sqrt(3 / 4))
    torch.testing.assert_close(ancestral - ddim, apart, rtol=1e-6, atol=1e-6)


# What all samplers share.


@pytest.mark.parametrize("steps", [2, 3, 16])
@pytest.mark.parametrize(
    ("sampler", "calls"),
    [
        ("dpm_solver_pp_2m", lambda levels: levels),
        ("ddim", lambda levels: levels),
        ("ancestral", lambda levels: levels),
        ("euler_maruyama", lambda levels: levels),
        # Twice a level: at both ends of each step, but for the last; before and after correction.
        ("heun", lambda levels: [levels[0], *(level for level in levels[1:] for _ in "ab")]),
        ("predictor_corrector", lambda levels: [level for level in levels for _ in "ab"]),
    ],
)
def test_denoiser_is_called_at_each_level(sampler, calls, steps):
    denoise, sigmas = GaussianDenoiser(), karras_sigmas(steps)
    SAMPLERS[sampler](denoise, white(), sigmas, generator())
    assert denoise.calls == calls(sigmas[:-1])
    counts = {"heun": 2 * steps - 1, "predictor_corrector": 2 * steps}
    assert len(denoise.calls) == counts.get(sampler, steps)


@ALL
@pytest.mark.parametrize("shape", [(2, 1, 2, 2), (1, 3, 5, 4)])
def test_images_are_as_the_noise_in_shape_and_type(sampler, shape):
    images = SAMPLERS[sampler](
        lambda x, sigma: x / (1 + sigma), torch.ones(shape), LEVELS, generator()
    )
    assert images.shape == shape
    assert images.dtype == torch.float32


@ALL
def test_last_step_ends_at_what_is_expected_without_more_noise(sampler):
    seen = []

    def denoise(noisy, sigma):
        seen.append(GaussianDenoiser()(noisy, sigma))
        return seen[-1]

    images = SAMPLERS[sampler](denoise, white(), LEVELS, generator())
    torch.testing.assert_close(images, seen[-1])


@ALL
def test_noise_is_left_as_it_was(sampler):
    noise = white()
    draw(sampler, LEVELS, noise)
    assert torch.equal(noise, white())


@pytest.mark.parametrize(
    ("sampler", "options", "draws"),
    [
        ("dpm_solver_pp_2m", {}, 0),
        ("heun", {}, 0),
        ("ddim", {"eta": 0.0}, 0),
        ("probability_flow_ode", {}, 0),
        ("ddim", {"eta": 0.5}, 2),  # one a step, none in the last
        ("ancestral", {}, 2),
        ("euler_maruyama", {}, 2),
        ("predictor_corrector", {}, 5),
    ],
)
def test_samplers_draw_from_the_generator_alone(sampler, options, draws):
    drawing, reference, state = generator(3), generator(3), torch.get_rng_state()
    images = SAMPLERS[sampler](GaussianDenoiser(), white(), LEVELS, drawing, **options)
    for _ in range(draws):
        torch.randn(white().shape, generator=reference)
    assert torch.equal(drawing.get_state(), reference.get_state())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, draw(sampler, LEVELS, white(), seed=3, **options))
    assert torch.equal(images, draw(sampler, LEVELS, white(), seed=4, **options)) == (draws == 0)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        *(({"sampler": sampler}, {}) for sampler in SAMPLERS),
        ({"sampler": "ddim", "eta": 0.7}, {"eta": 0.7}),
        ({"sampler": "predictor_corrector", "corrector_snr": 0.3}, {"snr": 0.3}),
        ({"sampler": "probability_flow_ode", "tolerance": 1e-3}, {"tolerance": 1e-3}),
    ],
)
def test_recipe_fills_in_the_options_of_its_sampler(fields, options):
    sampler = build_sampler(SamplingConfig(**fields))
    images = sampler(GaussianDenoiser(), white(), LEVELS, generator())
    assert torch.equal(images, draw(fields["sampler"], LEVELS, white(), **options))
    if options:
        assert not torch.equal(images, draw(fields["sampler"], LEVELS, white()))


# Noise levels.

# The first and last of each formulation, in closed form where there is one.
EXPLODING_ENDS = [math.sqrt((25 ** (2 * t) - 1) / (2 * math.log(25))) for t in (1, 1e-3)]
LINEAR_BETAS = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1_000)]
LINEAR_SIGMAS = [
    math.sqrt(1 / math.prod(1 - beta for beta in LINEAR_BETAS[: i + 1]) - 1) for i in (999, 1)
]
# From the cosine's alpha_bar of level 1; its highest levels, up to 20,000, are left out.
COSINE_LOWEST = math.sqrt(
    (math.cos(0.008 / 1.008 * math.pi / 2) / math.cos(0.010 / 1.008 * math.pi / 2)) ** 2 - 1
)

FORMULATIONS = {
    ("edm", "linear"): ([80, 0.02], [80, 0.02]),
    ("score_matching", "linear"): (EXPLODING_ENDS, EXPLODING_ENDS),
    ("noise_prediction", "linear"): ([80, 0.02], LINEAR_SIGMAS),
    ("noise_prediction", "cosine"): ([80, 0.02], [80, COSINE_LOWEST]),
}


def stub_denoiser(formulation, beta_schedule="linear"):
    training = TrainingConfig(1, formulation=formulation, beta_schedule=beta_schedule)
    return DENOISERS[formulation](nn.Identity(), training, DATA)


@pytest.mark.parametrize("steps", [2, 3, 20, 1_500])
@pytest.mark.parametrize("schedule", ["karras", "uniform", "quadratic"])
@pytest.mark.parametrize("formulation", FORMULATIONS, ids="-".join)
def test_noise_levels_fall_from_end_to_end_and_close_with_zero(formulation, schedule, steps):
    sampling = SamplingConfig(steps=steps, schedule=schedule)
    sigmas = noise_levels(sampling, stub_denoiser(*formulation))
    ends = FORMULATIONS[formulation][0 if schedule == "karras" else 1]
    assert len(sigmas) == steps + 1
    assert [sigmas[0], sigmas[-2], sigmas[-1]] == pytest.approx([*ends, 0], rel=1e-9, abs=0)
    assert all(high > low for high, low in pairwise(sigmas))


@pytest.mark.parametrize(
    ("formulation", "schedule", "middle"),
    [
        # The middle of three steps is at time 1/2 or 1/4 of the way from first_time to 1.
        ("edm", "uniform", math.sqrt(80 * 0.02)),
        ("edm", "quadratic", 80**0.25 * 0.02**0.75),
        ("score_matching", "uniform", math.sqrt((25**1.001 - 1) / (2 * math.log(25)))),
        ("score_matching", "quadratic", math.sqrt((25**0.5015 - 1) / (2 * math.log(25)))),
        ("edm", "karras", ((80 ** (1 / 7) + 0.02 ** (1 / 7)) / 2) ** 7),
    ],
)
def test_schedules_space_their_levels_in_time(formulation, schedule, middle):
    sampling = SamplingConfig(steps=3, schedule=schedule)
    assert noise_levels(sampling, stub_denoiser(formulation))[1] == pytest.approx(middle)


def test_999_uniform_steps_are_the_published_levels():
    sampling = SamplingConfig(steps=999, schedule="uniform")
    sigmas = noise_levels(sampling, stub_denoiser("noise_prediction"))
    alpha_bars, alpha_bar = [], 1.0
    for beta in LINEAR_BETAS:
        alpha_bar *= 1 - beta
        alpha_bars.append(alpha_bar)
    assert [1 / (1 + sigma**2) for sigma in sigmas] == pytest.approx(
        [*alpha_bars[:0:-1], 1], rel=1e-9
    )


def test_uniform_steps_of_score_matching_are_the_published_ones():
    # A step of dt adds variance at the rate 25^(2t), to the 0.7 % that it changes by within one.
    sigmas = noise_levels(
        SamplingConfig(steps=500, schedule="uniform"), stub_denoiser("score_matching")
    )
    times = torch.linspace(1, 1e-3, 500, dtype=torch.float64).tolist()
    for time, next_time, sigma, next_sigma in zip(
        times, times[1:], sigmas, sigmas[1:], strict=False
    ):
        published = 25 ** (2 * time) * (time - next_time)
        assert sigma**2 - next_sigma**2 == pytest.approx(published, rel=0.007)


@pytest.mark.parametrize("sampler", ORDERS)
@pytest.mark.parametrize("schedule", ["karras", "uniform", "quadratic"])
@pytest.mark.parametrize("formulation", FORMULATIONS, ids="-".join)
def test_every_schedule_leads_to_the_data(formulation, schedule, sampler):
    stub = stub_denoiser(*formulation)
    sigmas = noise_levels(SamplingConfig(steps=500, schedule=schedule), stub)
    in_unit_range = formulation[0] == "score_matching"
    mean, covariance = affine_moments(sampler, sigmas, GaussianDenoiser(in_unit_range))
    if in_unit_range:
        mean, covariance = stub.to_signed_range(mean), 4 * covariance
    # Score matching starts from a mean of 0 where only 10 times as much noise hides the images'.
    assert moment_error(mean, covariance) < (0.06 if in_unit_range else 0.015)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.integers(2, 200),
    sigma_min=st.floats(1e-3, 0.1),
    ratio=st.floats(1.5, 1e5),
    rho=st.floats(1, 10),
)
def test_karras_levels_are_even_in_their_roots(steps, sigma_min, ratio, rho):
    # Equation 5.
    sigmas = karras_sigmas(steps, sigma_min * ratio, sigma_min, rho)
    roots = [sigma ** (1 / rho) for sigma in sigmas[:-1]]
    gaps = [high - low for high, low in pairwise(roots)]
    assert gaps == pytest.approx([(roots[0] - roots[-1]) / (steps - 1)] * (steps - 1), rel=1e-6)
    assert [sigmas[0], *sigmas[-2:]] == pytest.approx([sigma_min * ratio, sigma_min, 0])


def test_one_karras_level_is_the_highest():
    assert karras_sigmas(1) == pytest.approx([SIGMA_MAX, 0.0])
