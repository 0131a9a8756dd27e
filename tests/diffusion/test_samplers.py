"""What all samplers share: when they call the denoiser, what they draw and what they return."""

import pytest
import torch
from gaussian_denoiser import GaussianDenoiser, draw, generator, white

from diffusion.recipe import SamplingConfig
from diffusion.samplers import SAMPLERS, build_sampler
from diffusion.schedules import karras_sigmas

ALL = pytest.mark.parametrize("sampler", SAMPLERS)
LEVELS = [4.0, 2.0, 1.0, 0.0]


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
