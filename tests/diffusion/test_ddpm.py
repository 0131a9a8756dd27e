"""The DDPM: its published sizes, its groups, its parts and its work, counted by hand."""

import pytest
import torch
from small_networks import COLOUR, DIGITS, call, config, convolutions, data, perturb
from torch import nn

from diffusion.compress.prune import prune
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.errors import InfeasibleRecipe
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.networks.ddpm import DoubleConv, SelfAttention, UpLevel
from diffusion.networks.layers import PackedProjection, SinusoidalFeatures
from diffusion.recipe import CompressionConfig


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
    [("l1", 1, 16_122_904), ("random", 2, 12_668_288)],
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
