"""Gaussian images, whose denoiser is known exactly, and what samplers draw with it."""

import torch

from diffusion.recipe import DataConfig
from diffusion.samplers import SAMPLERS

# Images of 2x2 correlated pixels: along AXES their variances are 0.03, 0.05, 0.15 and 0.77.
MEAN = torch.tensor([0.3, -0.2, 0.1, 0.5], dtype=torch.float64)
PIXELS = torch.arange(4, dtype=torch.float64)
COVARIANCE = 0.25 * 0.8 ** (PIXELS[:, None] - PIXELS).abs()
VARIANCES, AXES = torch.linalg.eigh(COVARIANCE)

ORDERS = {"ddim": 1, "heun": 2, "dpm_solver_pp_2m": 2}  # deterministic, in fixed steps
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


def rms(difference):
    return difference.square().mean().sqrt().item()
