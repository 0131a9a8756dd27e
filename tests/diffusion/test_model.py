"""A running model: the images it draws, and what they depend on."""

from dataclasses import replace

import pytest
import torch

from diffusion.config import choices
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import SamplerName, SamplingConfig

LABELS = torch.arange(24) % 3


@pytest.fixture
def model(tiny_recipe, tiny_network):
    return DiffusionModel(tiny_recipe, tiny_network)


def test_images_are_uint8_one_a_label(model):
    images = model.generate(LABELS[:5])
    assert images.shape == (5, 1, 8, 8)
    assert images.dtype == torch.uint8
    assert len(images.unique()) > 20


def test_colour_models_draw_colour(tiny_recipe):
    recipe = replace(tiny_recipe, data=replace(tiny_recipe.data, channels=3, image_size=12))
    network = build_network(recipe.network, recipe.data)
    assert DiffusionModel(recipe, network).generate(LABELS[:2]).shape == (2, 3, 12, 12)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_images_hardly_depend_on_the_batch_size(
    tiny_recipe, tiny_network, batch_size, guidance, precision
):
    training = replace(tiny_recipe.training, precision=precision)
    model = DiffusionModel(replace(tiny_recipe, training=training), tiny_network)
    model = model.with_sampling(guidance=guidance)
    expected = model.generate(LABELS, batch_size=24).int()
    difference = (model.generate(LABELS, batch_size=batch_size).int() - expected).abs()
    assert (difference <= 1).double().mean() >= 0.999
    assert expected.double().std() > 5


def test_drawing_may_have_a_precision_of_its_own(tiny_recipe, tiny_network):
    def drawn(training, sampling):
        changes = {"training.precision": training, "sampling.precision": sampling}
        return DiffusionModel(tiny_recipe.with_changes(changes), tiny_network).generate(LABELS)

    assert torch.equal(drawn("float32", "bf16"), drawn("bf16", "as_trained"))
    assert torch.equal(drawn("bf16", "float32"), drawn("float32", "as_trained"))
    assert not torch.equal(drawn("bf16", "float32"), drawn("bf16", "bf16"))


@pytest.mark.parametrize(
    "sampler",
    [
        # Its solver takes hundreds of calls.
        pytest.param(name, marks=pytest.mark.slow) if name == "probability_flow_ode" else name
        for name in choices(SamplerName)
    ],
)
def test_same_seed_draws_the_same_images(model, sampler):
    model = model.with_sampling(sampler=sampler)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = model.generate(LABELS)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(model.generate(LABELS), first)
    other = model.with_sampling(seed=1).generate(LABELS)
    assert (other != first).double().mean() > 0.5


def test_first_images_do_not_depend_on_how_many_follow(model):
    few, many = model.generate(LABELS[:8]), model.generate(LABELS)
    assert ((few.int() - many[:8].int()).abs() <= 1).double().mean() >= 0.999


def test_images_follow_their_labels(model):
    same = model.generate(torch.tensor([0, 1, 2]))
    changed = model.generate(torch.tensor([0, 2, 2]))
    assert ((same[[0, 2]].int() - changed[[0, 2]].int()).abs() <= 1).all()
    assert (same[1] != changed[1]).double().mean() > 0.1


def test_every_field_of_sampling_counts(model):
    expected = model.generate(LABELS)
    for changes in ({"steps": 5}, {"guidance": 3.0}, {"sampler": "euler_maruyama"}, {"seed": 9}):
        assert not torch.equal(model.with_sampling(**changes).generate(LABELS), expected)


@pytest.mark.parametrize(("labels", "bad"), [([0, 3, 1], 3), ([-1, 0], -1), ([2, 5, 9], 5)])
def test_labels_out_of_range_are_refused(model, labels, bad):
    with pytest.raises(ValueError, match=f"label is {bad}; allowed: 0 to 2"):
        model.generate(torch.tensor(labels))


def test_other_sampling_leaves_the_original_alone(model):
    before = model.recipe
    expected = model.generate(LABELS)
    other = model.with_sampling(steps=7, guidance=None, seed=5)
    assert other.recipe.sampling == SamplingConfig(steps=7, seed=5)
    assert model.recipe is before
    assert model.recipe.sampling == SamplingConfig(steps=3)
    assert replace(other.recipe, sampling=before.sampling) == before
    other.generate(LABELS)
    assert torch.equal(model.generate(LABELS), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 1}, "sampling.steps is 1; allowed: at least 2"),
        ({"guidance": -1.0}, "sampling.guidance is -1.0; allowed: 0 or more"),
        ({"sampler": "plms"}, "sampling.sampler is 'plms'; allowed: dpm_solver_pp_2m, heun"),
    ],
)
def test_bad_sampling_is_refused(model, changes, message):
    with pytest.raises(ValueError, match=message):
        model.with_sampling(**changes)


def test_largest_seed_draws(model):
    assert model.with_sampling(seed=2**63 - 1).generate(LABELS[:1]).shape == (1, 1, 8, 8)


def test_progress_counts_the_images(model):
    told = []
    model.generate(LABELS[:10], batch_size=4, on_progress=told.append)
    assert told == [4, 8, 10]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused(model, value):
    torch.nn.init.constant_(model.network.out.bias, value)
    with pytest.raises(ValueError, match="finite"):
        model.generate(LABELS[:4])


def test_network_is_ready_to_draw_only(model):
    assert not model.network.training
    assert not any(values.requires_grad for values in model.network.parameters())


def evaluations(model):
    """Return the images drawn and how many the network saw while they were."""
    seen = []
    hook = model.network.register_forward_hook(lambda _, given, out: seen.append(len(out)))
    images = model.generate(LABELS)
    hook.remove()
    return images, sum(seen)


@pytest.mark.parametrize("sampler", ["dpm_solver_pp_2m", "heun", "predictor_corrector"])
def test_guidance_in_an_interval_saves_evaluations(model, sampler):
    model = model.with_sampling(sampler=sampler, steps=6)
    images, all_guided = evaluations(model)
    _, some = evaluations(model.with_sampling(guidance_sigma_min=0.3))
    plain, none = evaluations(model.with_sampling(guidance=1.0))
    assert all_guided == 2 * none
    assert none < some < all_guided
    # Between these two there is no noise level to guide at.
    outside = {"guidance_sigma_min": 999.0, "guidance_sigma_max": 1_000.0}
    empty, fewest = evaluations(model.with_sampling(**outside))
    assert fewest == none
    assert torch.equal(empty, plain)
    assert not torch.equal(images, plain)
