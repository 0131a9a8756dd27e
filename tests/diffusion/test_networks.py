"""The raw networks: sizes, groups, labels, seeds and gradients, and how work is counted."""

import itertools

import pytest
import torch
from torch import nn

from diffusion.compress.prune import prune
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.errors import InfeasibleRecipe
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.networks.ddpm import DoubleConv, SelfAttention, UpLevel
from diffusion.networks.layers import PackedProjection, SinusoidalFeatures
from diffusion.recipe import CompressionConfig, DataConfig, NetworkConfig

DIGITS = DataConfig("digits", 28, 1, 10, "")
COLOUR = DataConfig("photographs", 64, 3, 10, "")
SMALL_WIDTHS = {"ncsn": (8, 16, 32, 64), "ddpm": (8,), "mini_ddpm": (8, 16)}
EACH = pytest.mark.parametrize("architecture", SMALL_WIDTHS)


def config(architecture, widths=None, **fields):
    return NetworkConfig(architecture, widths or SMALL_WIDTHS[architecture], **fields)


def data(image_size, channels=1):
    return DataConfig("some", image_size, channels, 10, "")


def call(network, data, batch=2, labels=None, seed=0):
    shape = (batch, data.channels, data.image_size, data.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(batch) if labels is None else torch.tensor(labels)
    with torch.no_grad():
        return network(images, torch.linspace(-1, 1, batch), labels)


def convolutions(network):
    kinds = nn.Conv2d | nn.ConvTranspose2d
    return {name: x for name, x in network.named_modules() if isinstance(x, kinds)}


def perturb(network, seed=0):
    """Move every parameter, so that layers that start at zero take part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.1 * torch.randn(values.shape, generator=generator))
    return network


@pytest.mark.parametrize(("groups", "parameters"), [(1, 1_115_297), (2, 682_145)])
def test_ncsn_has_the_published_size(groups, parameters):
    network = config("ncsn", (32, 64, 128, 256), groups=groups, conditional=False)
    assert count_parameters(build_network(network, DIGITS))[0] == parameters


@pytest.mark.parametrize(
    ("width", "groups", "data", "parameters"),
    [
        (56, 1, DIGITS, 17_868_145),
        (56, 2, DIGITS, 14_029_681),
        (64, 1, COLOUR, 23_335_299),
    ],
)
def test_ddpm_has_the_published_size(width, groups, data, parameters):
    network = config("ddpm", (width,), groups=groups, grouped_layers="bottleneck")
    assert count_parameters(build_network(network, data))[0] == parameters


@pytest.mark.parametrize(
    ("method", "groups", "nonzero"),
    [("l1", 1, 16_122_904), ("l1", 2, 12_668_288), ("random", 2, 12_668_288)],
)
def test_ddpm_pruned_by_a_tenth_has_the_published_size(method, groups, nonzero):
    fields = {"groups": groups, "grouped_layers": "bottleneck"}
    network = build_network(config("ddpm", (56,), **fields), DIGITS)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in network.parameters():
            values.uniform_(1, 2, generator=generator)
    parameters, before = count_parameters(network)
    prune(network, CompressionConfig(prune_method=method, prune_ratio=0.1))
    assert before == parameters
    assert count_parameters(network) == (parameters, nonzero)


@pytest.mark.parametrize(
    ("widths", "published"),
    [((32, 64, 128), 2.53e6), ((16, 32, 64), 634e3), ((64, 128), 2.15e6)],
)
@pytest.mark.parametrize("patch_size", [1, 2])
def test_mini_ddpm_has_about_the_published_sizes(widths, published, patch_size):
    network = config("mini_ddpm", widths, patch_size=patch_size, conditional=False)
    parameters, _ = count_parameters(build_network(network, DIGITS))
    assert parameters == pytest.approx(published, rel=0.05)


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


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8, 16, "max"])
def test_ddpm_may_group_its_bottleneck_alone(groups):
    fields = {"groups": groups, "grouped_layers": "bottleneck"}
    network = build_network(config("ddpm", (12,), **fields), DIGITS)
    found = {name: layer.groups for name, layer in convolutions(network).items()}
    inside = {name for name in found if name.startswith("bottleneck.")}
    assert len(inside) == 6
    for name, layer in convolutions(network).items():
        most = min(layer.in_channels, layer.out_channels)
        assert found[name] == (1 if name not in inside else most if groups == "max" else groups)
    plain, _ = count_parameters(build_network(config("ddpm", (12,)), DIGITS))
    # 9 (4 * 8 + 8 * 8 + 2 * 8 * 8 + 8 * 4 + 4 * 4) w^2 weights; groups keep one in so many.
    kept = sum(network.get_submodule(name).weight.numel() for name in inside)
    assert count_parameters(network)[0] == plain - 9 * 272 * 12**2 + kept
    assert call(perturb(network), DIGITS).shape == (2, 1, 28, 28)


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


@pytest.mark.parametrize(("width", "groups"), [(8, 3), (4, 32), (20, 7)])
def test_bottleneck_groups_that_do_not_divide_name_both_channel_counts(width, groups):
    fields = {"groups": groups, "grouped_layers": "bottleneck"}
    with pytest.raises(InfeasibleRecipe, match=f"network.groups is {groups}") as error:
        build_network(config("ddpm", (width,), **fields), DIGITS)
    assert f"a layer of {4 * width} to {8 * width} channels" in str(error.value)


@pytest.mark.parametrize("width", [1, 2, 6, 7, 57])
def test_ddpm_refuses_widths_that_its_heads_do_not_divide(width):
    message = rf"network\.widths is \[{width}\]; allowed for ddpm: a multiple of its 4 heads"
    with pytest.raises(InfeasibleRecipe, match=message):
        build_network(config("ddpm", (width,)), DIGITS)


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


def test_hidden_label_adds_nothing_to_the_ddpm():
    conditional = perturb(build_network(config("ddpm"), DIGITS))
    unconditional = build_network(config("ddpm", conditional=False), DIGITS)
    weights = conditional.state_dict()
    del weights["embedding.label.weight"]
    unconditional.load_state_dict(weights)
    hidden = call(conditional, DIGITS, labels=[10, 10])
    assert torch.equal(hidden, call(unconditional, DIGITS, labels=[10, 10]))
    assert torch.equal(hidden, call(unconditional, DIGITS, labels=[0, 3]))
    mixed = call(conditional, DIGITS, labels=[10, 3])
    torch.testing.assert_close(mixed[0], hidden[0])
    assert (mixed[1] - hidden[1]).abs().max() > 1e-3


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


def test_noise_embedding_of_the_ddpm_is_that_of_its_thousand_steps():
    network = build_network(config("ddpm", (4,), conditional=False), DIGITS)
    steps = torch.tensor([0.0, 1.0, 250.0, 999.0])
    frequencies = torch.tensor([10_000 ** (-i / 8) for i in range(8)])
    angles = steps[:, None] * frequencies
    expected = torch.cat([angles.sin(), angles.cos()], dim=1)
    assert isinstance(network.embedding.noise, SinusoidalFeatures)
    found = network.embedding.noise(steps / 1_000)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_attention_of_the_ddpm_is_that_of_torch():
    block = perturb(SelfAttention(8)).double()
    reference = nn.MultiheadAttention(8, 4, batch_first=True, dtype=torch.float64)
    weights = {
        "in_proj_weight": block.in_proj.weight,
        "in_proj_bias": block.in_proj.bias,
        "out_proj.weight": block.out_proj.weight,
        "out_proj.bias": block.out_proj.bias,
    }
    reference.load_state_dict(weights)
    images = torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        tokens = images.movedim(1, 3).reshape(2, 15, 8)
        normed = block.norm1(tokens)
        tokens = tokens + reference(normed, normed, normed, need_weights=False)[0]
        ahead = block.linear2(nn.functional.gelu(block.linear1(block.norm2(tokens))))
        expected = (tokens + ahead).reshape(2, 3, 5, 8).movedim(3, 1)
        torch.testing.assert_close(block(images), expected)


@pytest.mark.parametrize("residual", [False, True])
def test_double_convolution_norms_each_image_as_a_whole(residual):
    def normed(hidden):
        whole = hidden.flatten(1)
        deviation = whole.var(dim=1, correction=0).add(1e-5).sqrt()
        return ((whole - whole.mean(dim=1)[:, None]) / deviation[:, None]).reshape(hidden.shape)

    block = DoubleConv(4, 4, 1, 6, residual=residual)
    assert (block.conv1.bias, block.conv2.bias) == (None, None)
    images = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = normed(block.conv2(nn.functional.gelu(normed(block.conv1(images)))))
        if residual:
            expected = nn.functional.gelu(images + expected)
        torch.testing.assert_close(block(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("skip_size", [6, 7])
def test_up_level_interpolates_from_corner_to_corner(skip_size):
    level = UpLevel(8, 4, 3, 1)
    seen = []
    level.block1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ramp = torch.linspace(0, 1, 3).expand(1, 4, 3, 3)
    skip = torch.full((1, 4, skip_size, skip_size), 5.0)
    with torch.no_grad():
        level(ramp, skip, torch.zeros(1, 3))
    assert torch.equal(seen[0][:, :4], skip)
    expected = torch.linspace(0, 1, skip_size).expand_as(skip)
    torch.testing.assert_close(seen[0][:, 4:], expected)


@pytest.mark.parametrize("method", ["random", "l1"])
def test_packed_attention_weights_are_never_pruned(method):
    network = perturb(build_network(config("ddpm", (4,)), DIGITS))
    packed = [x for x in network.modules() if isinstance(x, PackedProjection)]
    prune(network, CompressionConfig(prune_method=method, prune_ratio=0.9))
    assert len(packed) == 6
    assert all(values.all() for layer in packed for values in layer.parameters())
    beside = ("attention.out_proj", "attention.linear1", "attention.linear2")
    layers = [layer for name, layer in network.named_modules() if name.endswith(beside)]
    assert len(layers) == 18
    for layer in layers:
        assert int((layer.weight == 0).sum()) == round(0.9 * layer.weight.numel())


@pytest.mark.parametrize(
    ("quantization", "linear", "packed", "convolution"),
    [
        ("none", False, False, False),
        ("linear8", True, False, False),
        ("linear4", True, False, False),
        ("weights8", True, True, True),
    ],
)
def test_packed_attention_weights_are_quantized_with_all_weights_alone(
    quantization, linear, packed, convolution
):
    state = quantize_weights(build_network(config("ddpm", (4,)), DIGITS), quantization)
    covered = {name for name, value in state.items() if isinstance(value, QuantizedTensor)}
    for expected, part in (
        (linear, "attention.out_proj.weight"),
        (linear, "dense.weight"),
        (packed, "attention.in_proj.weight"),
        (packed, "label.weight"),
        (convolution, "conv1.weight"),
        (False, "attention.in_proj.bias"),
        (False, "norm1.weight"),
    ):
        names = {name for name in state if name.endswith(part)}
        assert names
        assert covered & names == (names if expected else set()), part


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


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("grouped_layers", ["bottleneck", "all"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_macs_of_the_ddpm_are_those_counted_by_hand(groups, grouped_layers, memory_format):
    # 16x16 pixels, and 8, 4 and 2 a side below; norms, pooling and interpolation count nothing.
    w, features = 4, 16

    def double(narrow, middle, wide, pixels):
        return 9 * (narrow * middle + middle * wide) * pixels

    def attention(channels, pixels):
        # Three in, one out and two ahead; every pixel looks at every other one, and mixes them.
        return 6 * channels**2 * pixels + 2 * channels * pixels**2

    downs = ((w, 2 * w, 64), (2 * w, 4 * w, 16), (4 * w, 4 * w, 4))
    ups = ((8 * w, 2 * w, 16), (4 * w, w, 64), (2 * w, w, 256))
    levels = sum(double(n, n, n, p) + double(n, m, m, p) for n, m, p in downs)
    levels += sum(double(n, n, n, p) + double(n, n // 2, m, p) for n, m, p in ups)
    bottleneck = double(4 * w, 8 * w, 8 * w, 4) + double(8 * w, 8 * w, 8 * w, 4)
    bottleneck += double(8 * w, 4 * w, 4 * w, 4)
    linears = sum(features * m + attention(m, pixels) for _, m, pixels in downs + ups)
    ends = double(1, w, w, 256) + w * 256
    grouped = bottleneck // groups + levels // (groups if grouped_layers == "all" else 1)

    fields = {"groups": groups, "grouped_layers": grouped_layers}
    network = build_network(config("ddpm", (w,), **fields), data(16))
    network = network.to(memory_format=memory_format)
    assert count_macs(network, data(16)) == grouped + linears + ends


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
