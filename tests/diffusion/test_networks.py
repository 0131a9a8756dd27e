"""The raw networks: sizes, groups, labels, seeds and gradients, and how work is counted."""

import itertools

import pytest
import torch
from small_networks import (
    COLOUR,
    DIGITS,
    SMALL_WIDTHS,
    call,
    config,
    convolutions,
    data,
    perturb,
)
from torch import nn

from diffusion.errors import InfeasibleRecipe
from diffusion.networks import build_network, count_macs, count_parameters

EACH = pytest.mark.parametrize("architecture", SMALL_WIDTHS)


@pytest.mark.parametrize(("groups", "parameters"), [(1, 1_115_297), (2, 682_145)])
def test_ncsn_has_the_published_size(groups, parameters):
    network = config("ncsn", (32, 64, 128, 256), groups=groups, conditional=False)
    assert count_parameters(build_network(network, DIGITS))[0] == parameters


@pytest.mark.parametrize(
    ("widths", "published"),
    [((32, 64, 128), 2.53e6), ((16, 32, 64), 634e3), ((64, 128), 2.15e6)],
)
@pytest.mark.parametrize("patch_size", [1, 2])
def test_mini_ddpm_has_about_the_published_sizes(widths, published, patch_size):
    network = config("mini_ddpm", widths, patch_size=patch_size, conditional=False)
    parameters, _ = count_parameters(build_network(network, DIGITS))
    assert parameters == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize(("architecture", "times"), [("ncsn", 1), ("mini_ddpm", 4)])
def test_conditioning_width_is_that_of_the_embedding(architecture, times):
    published = times * SMALL_WIDTHS[architecture][-1]
    networks = {
        width: build_network(config(architecture, conditioning_width=width), DIGITS)
        for width in (0, 6, published)
    }
    shapes = {w: [p.shape for p in network.parameters()] for w, network in networks.items()}
    assert shapes[0] == shapes[published]
    assert networks[6].embedding.label.weight.shape[1] == 6
    blocks = [m.dense for m in networks[6].modules() if hasattr(m, "dense")]
    assert blocks
    assert {block.in_features for block in blocks} == {6}
    assert count_macs(networks[6], DIGITS) < count_macs(networks[0], DIGITS)
    assert call(perturb(networks[6]), DIGITS).isfinite().all()


def test_odd_conditioning_width_of_ncsn_is_refused_by_its_name():
    with pytest.raises(InfeasibleRecipe, match=r"^network\.conditioning_width has 7 where the"):
        build_network(config("ncsn", conditioning_width=7), DIGITS)


@pytest.mark.parametrize(
    ("architecture", "patch_size"), [("ncsn", 1), ("ddpm", 1), ("mini_ddpm", 1), ("mini_ddpm", 2)]
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", [28, 32, 56, 64])
def test_network_predicts_an_image_of_its_shape(architecture, patch_size, channels, image_size):
    shape = data(image_size, channels)
    network_config = config(architecture, patch_size=patch_size, groups=2)
    network = build_network(network_config, shape)
    small = build_network(network_config, data(28, channels))
    assert count_parameters(network)[0] == count_parameters(small)[0]
    predicted = call(perturb(network), shape)
    assert predicted.shape == (2, channels, image_size, image_size)
    assert predicted.isfinite().all()
    assert predicted.std() > 0


@pytest.mark.parametrize(
    ("architecture", "widths"),
    [("ncsn", (24, 48, 48, 96)), ("ddpm", (24,)), ("mini_ddpm", (24, 48))],
)
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8, "max"])
def test_groups_are_those_of_all_convolutions_but_the_first_the_last_and_shortcuts(
    architecture, widths, groups
):
    network = build_network(config(architecture, widths, groups=groups), data(28, 3))
    for name, layer in convolutions(network).items():
        ungrouped = name.startswith(("stem", "encoder.0.conv", "out", "attention"))
        most = min(layer.in_channels, layer.out_channels)
        expected = 1 if ungrouped or "shortcut" in name else most if groups == "max" else groups
        assert layer.groups == expected, name
    predicted = call(perturb(network), data(28, 3))
    assert predicted.shape == (2, 3, 28, 28)
    assert predicted.isfinite().all()


@pytest.mark.parametrize(
    ("architecture", "widths", "groups", "channels"),
    [
        ("ncsn", (8, 16, 32, 64), 3, (8, 16)),
        ("ncsn", (6, 12, 24, 48), 4, (6, 12)),
        ("ncsn", (4, 8, 16, 32), 8, (4, 8)),
        ("ncsn", (32, 48, 96, 192), "max", (32, 48)),
        ("ncsn", (8, 16, 32, 64), 16, (8, 16)),
        ("mini_ddpm", (8, 16), 3, (8, 8)),
        ("mini_ddpm", (8, 12), 8, (8, 12)),
        ("mini_ddpm", (8, 12), "max", (8, 12)),
        ("mini_ddpm", (12, 16), "max", (12, 16)),
        ("ddpm", (8,), 3, (8, 8)),
        ("ddpm", (4,), 8, (4, 4)),
    ],
)
def test_groups_that_do_not_divide_name_both_channel_counts(
    architecture, widths, groups, channels
):
    with pytest.raises(InfeasibleRecipe, match="allowed: a number that divides both") as error:
        build_network(config(architecture, widths, groups=groups), DIGITS)
    assert f"network.groups is {groups!r}" in str(error.value)
    assert "a layer of {} to {} channels".format(*channels) in str(error.value)


def test_most_groups_make_the_smallest_network():
    for architecture in SMALL_WIDTHS:
        sizes = [
            count_parameters(build_network(config(architecture, groups=groups), DIGITS))[0]
            for groups in (1, 2, 4, 8)
        ]
        most, _ = count_parameters(build_network(config(architecture, groups="max"), DIGITS))
        assert sizes == sorted(sizes, reverse=True)
        assert most <= sizes[-1] < sizes[0]


@pytest.mark.parametrize(
    ("architecture", "widths", "patch_size", "smallest"),
    [
        ("ncsn", (8, 16, 32, 64), 1, 25),
        ("ddpm", (4,), 1, 16),
        ("mini_ddpm", (8,), 1, 2),
        ("mini_ddpm", (8,), 2, 4),
        ("mini_ddpm", (8, 16, 16), 1, 5),
        ("mini_ddpm", (8, 16, 16), 2, 10),
        ("mini_ddpm", (8, 8, 8, 8, 8), 1, 17),
    ],
)
def test_network_takes_the_sizes_that_its_message_allows_and_no_smaller_ones(
    architecture, widths, patch_size, smallest
):
    network = config(architecture, widths, patch_size=patch_size)
    for image_size in range(patch_size, smallest, patch_size):
        with pytest.raises(InfeasibleRecipe, match=f"data.image_size is {image_size}; ") as error:
            build_network(network, data(image_size))
        assert architecture in str(error.value)
        assert f"allows {smallest} pixels or more" in str(error.value)
    for image_size in range(smallest, smallest + 9, patch_size):
        shape = data(image_size)
        predicted = call(perturb(build_network(network, shape)), shape)
        assert predicted.shape == (2, 1, image_size, image_size)
        assert predicted.std() > 0


def test_mini_ddpm_refuses_sizes_that_its_patch_does_not_divide():
    with pytest.raises(InfeasibleRecipe, match="patch_size 2; allowed: a mul"):
        build_network(config("mini_ddpm", patch_size=2), data(27))
    assert call(build_network(config("mini_ddpm"), data(27)), data(27)).shape[2:] == (27, 27)


@pytest.mark.parametrize(
    ("architecture", "widths"),
    [
        ("ncsn", (8, 16, 32, 65)),
        ("ncsn", (7, 15, 31, 64)),
        ("mini_ddpm", (7, 16)),
        ("mini_ddpm", (8, 15)),
        ("mini_ddpm", (1,)),
        ("mini_ddpm", (2, 2, 2, 2, 2, 2)),
    ],
)
def test_odd_widths_run_or_are_infeasible(architecture, widths):
    try:
        network = build_network(config(architecture, widths), DIGITS)
    except InfeasibleRecipe:
        return
    assert call(network, DIGITS).shape == (2, 1, 28, 28)


@pytest.mark.parametrize(
    ("architecture", "widths", "image_size"),
    [
        ("ncsn", (8, 16, 32, 64), 25),
        ("ncsn", (4, 8, 16, 32), 25),
        ("ncsn", (4, 8, 16, 32), 28),
        ("mini_ddpm", (8, 16), 8),
        ("ddpm", (4,), 16),
    ],
)
def test_an_image_is_predicted_the_same_alone_as_in_a_batch(architecture, widths, image_size):
    network = perturb(build_network(config(architecture, widths), data(image_size)))
    batch = call(network, data(image_size), batch=4, labels=[1, 1, 1, 1])
    shape = (4, 1, image_size, image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = network(images[:1], torch.full((1,), -1.0), torch.tensor([1]))
    torch.testing.assert_close(alone, batch[:1], rtol=1e-4, atol=1e-5)


@EACH
def test_building_draws_from_its_own_seed(architecture):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    networks = [build_network(config(architecture), DIGITS, seed) for seed in (3, 3, 4)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    networks.append(build_network(config(architecture), DIGITS, 3))
    first, same, other, after = (network.state_dict() for network in networks)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert all(torch.equal(first[name], after[name]) for name in first)
    differing = {name for name in first if not torch.equal(first[name], other[name])}
    assert {name for name in first if name.endswith(("conv1.weight", "conv.weight"))} <= differing


@EACH
def test_predicting_draws_nothing(architecture):
    network = perturb(build_network(config(architecture), DIGITS))
    assert network.training
    state = torch.get_rng_state()
    assert torch.equal(call(network, DIGITS), call(network, DIGITS))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(call(network.eval(), DIGITS), call(network.train(), DIGITS))


# The published NCSN norms the 32 channels of its last level one by one, which erases the number
# that the embedding adds to each.
ERASED = {"ncsn": {"decoder.2.dense.weight", "decoder.2.dense.bias"}}


@pytest.mark.parametrize(
    ("architecture", "widths", "image_size"),
    [
        ("ncsn", (32, 64, 128, 256), 28),
        ("ddpm", (4,), 16),
        ("ddpm", (4,), 28),
        ("mini_ddpm", (16, 32), 8),
    ],
)
@pytest.mark.parametrize("groups", [1, 2, 4, "max"])
@pytest.mark.parametrize("conditional", [True, False])
def test_gradients_reach_every_parameter(architecture, widths, image_size, groups, conditional):
    shape = data(image_size)
    network = config(architecture, widths, groups=groups, conditional=conditional)
    network = perturb(build_network(network, shape)).double()
    images, weights = torch.randn(
        (2, 3, 1, image_size, image_size),
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )
    noise_labels = torch.tensor([-1.0, 0.1, 0.9], dtype=torch.float64)
    predicted = network(images, noise_labels, torch.tensor([0, 9, 10]))
    (predicted * weights).sum().backward()
    unreached = {
        name
        for name, values in network.named_parameters()
        if values.grad is None or values.grad.abs().max() < 1e-9
    }
    assert unreached == ERASED.get(architecture, set())


@EACH
def test_memory_format_does_not_change_the_prediction(architecture):
    network = perturb(build_network(config(architecture, groups=2), COLOUR)).double()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    arguments = torch.tensor([-1.0, 1.0]).double(), torch.tensor([3, 10])
    with torch.no_grad():
        expected = network(images, *arguments)
        last = images.to(memory_format=torch.channels_last)
        outputs = [network(last, *arguments)]
        network = network.to(memory_format=torch.channels_last)
        outputs += [network(images, *arguments), network(last, *arguments)]
    assert not last.is_contiguous()
    for output in outputs:
        torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)


def test_ncsn_computes_in_the_ways_that_are_quick_on_a_cpu():
    network = build_network(config("ncsn"), DIGITS)
    output = network(torch.randn(2, 1, 28, 28), torch.linspace(-1, 1, 2), torch.arange(2))
    waiting, names = [output.grad_fn], set()
    while waiting:
        step = waiting.pop()
        names.add(type(step).__name__)
        waiting += [before for before, _ in step.next_functions if before is not None]
    assert names >= {"_NormSiluBackward", "_ConvolutionBackward", "_ShiftedSumsBackward"}


@EACH
def test_prediction_has_the_precision_of_its_images(architecture):
    network = perturb(build_network(config(architecture), DIGITS))
    single = call(network, DIGITS)
    with torch.autocast("cpu", torch.bfloat16):
        half = call(network, DIGITS)
    images = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        double = network.double()(
            images.double(), torch.linspace(-1, 1, 2).double(), torch.arange(2)
        )
    assert (single.dtype, half.dtype, double.dtype) == (
        torch.float32,
        torch.bfloat16,
        torch.float64,
    )
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3 * single.std().item())
    assert (half - single).std() < 0.1 * single.std()


@EACH
def test_labels_change_a_conditional_network_only(architecture):
    for conditional in (True, False):
        network = perturb(build_network(config(architecture, conditional=conditional), DIGITS))
        outputs = [call(network, DIGITS, labels=[label, 0]) for label in (0, 3, 10)]
        for first, second in itertools.combinations(outputs, 2):
            assert torch.equal(first[0], second[0]) != conditional
            assert torch.equal(first[1], second[1])


@EACH
def test_noise_labels_change_the_prediction(architecture):
    network = perturb(build_network(config(architecture), DIGITS))
    images, labels = torch.ones(1, 1, 28, 28), torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        low, high = (network(images, torch.tensor([c]), labels) for c in (-1.0, 1.0))
    assert (low - high).abs().max() > 1e-3


def test_untrained_mini_ddpm_predicts_zero_but_for_its_last_bias():
    network = build_network(config("mini_ddpm"), DIGITS)
    predicted = call(network, DIGITS)
    assert torch.equal(predicted, network.out.bias.detach().expand(2, 28, 28, 1).movedim(3, 1))


def test_macs_of_the_ncsn_are_those_counted_by_hand():
    # Pixels after the encoder's layers: 26, 12, 5 and 2 a side.
    # A transposed convolution applies its kernel once for each pixel that it is given.
    ends = 9 * (1 * 32 + 64 * 1) * 26**2
    down = 9 * (32 * 64 * 12**2 + 64 * 128 * 5**2 + 128 * 256 * 2**2)
    up = 9 * (256 * 128 * 2**2 + 256 * 64 * 5**2 + 128 * 32 * 12**2)
    linears = 256 * (256 + 32 + 64 + 128 + 256 + 128 + 64 + 32)
    for groups in (1, 2, 4):
        network = build_network(config("ncsn", (32, 64, 128, 256), groups=groups), DIGITS)
        assert count_macs(network, DIGITS) == linears + ends + (down + up) // groups


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_macs_of_the_mini_ddpm_are_those_counted_by_hand(groups, memory_format):
    # One level of 8 channels on 6x6 pixels, an embedding of 32 features.
    pixels, width, features = 36, 8, 32
    embedding = width * features + features * features
    block = 2 * 9 * width * width // groups * pixels + features * 2 * width
    attention = (3 * width * width + width * width) * pixels + 2 * pixels * pixels * width
    ends = (9 + 1) * width * pixels
    network = build_network(config("mini_ddpm", (8,), groups=groups), data(6))
    network = network.to(memory_format=memory_format)
    assert count_macs(network, data(6)) == embedding + 2 * block + attention + ends


@EACH
def test_macs_do_not_depend_on_weights_labels_or_mode(architecture):
    network = build_network(config(architecture), DIGITS)
    expected = count_macs(network, DIGITS)
    assert expected > 0
    for values in network.parameters():
        nn.init.zeros_(values)
    assert count_macs(network.eval(), DIGITS) == expected
    unlabelled = build_network(config(architecture, conditional=False), DIGITS)
    assert count_macs(unlabelled, DIGITS) == expected


@EACH
def test_macs_fall_with_groups_and_rise_with_pixels(architecture):
    macs = [
        count_macs(build_network(config(architecture, groups=groups), DIGITS), DIGITS)
        for groups in (1, 2, 4, 8)
    ]
    assert macs == sorted(set(macs), reverse=True)
    network = build_network(config(architecture), data(42))
    assert count_macs(network, data(42)) > (42 / 28) ** 2 * macs[0] * 0.9


def test_zeros_are_counted_apart():
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    assert count_parameters(network) == (15 + 8, 15 + 8)
    with torch.no_grad():
        network[0].weight[0] = 0
        network[1].bias[1] = -0.0
    assert count_parameters(network) == (23, 23 - 5)
    network.requires_grad_(False)
    network.register_buffer("fixed", torch.ones(7))
    assert count_parameters(network) == (23, 18)
