"""Pruning: which weights become zero, and that no others do."""

import pytest
import torch
from torch import nn

from diffusion.compress.prune import prune, pruned_masks, region_layers
from diffusion.networks import build_network
from diffusion.networks.layers import PackedProjection
from diffusion.recipe import CompressionConfig, DataConfig, NetworkConfig

DIGITS = DataConfig("digits", 28, 1, 10, "")
NETWORKS = {
    "ncsn": NetworkConfig("ncsn", (8, 16, 32, 64)),
    "ncsn-grouped": NetworkConfig("ncsn", (8, 16, 32, 64), groups=8),
    "ddpm": NetworkConfig("ddpm", (4,), groups=2, grouped_layers="bottleneck"),
    "mini_ddpm": NetworkConfig("mini_ddpm", (8, 16)),
    "mini_ddpm-depthwise": NetworkConfig("mini_ddpm", (8, 16), groups="max", patch_size=2),
    "mini_ddpm-deep": NetworkConfig("mini_ddpm", (8, 16, 16), conditional=False),
}
ALL = pytest.mark.parametrize("name", NETWORKS)
REGIONS = ("all", "middle", "extremes")
SPARED = nn.GroupNorm | nn.LayerNorm | PackedProjection


def build(name, seed=0):
    """Build a network in which no parameter is zero."""
    network = build_network(NETWORKS[name], DIGITS)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.01 * torch.randn(values.shape, generator=generator))
    assert all(values.all() for values in network.parameters())
    return network


def pruned(name, method, ratio, region="all", seed=0):
    network = build(name)
    config = CompressionConfig(method, ratio, region, seed)
    prune(network, config)
    return network


def zeros(values):
    return int((values == 0).sum())


def is_prunable(layer, name):
    return name == "weight" or isinstance(layer, nn.Linear)


@ALL
@pytest.mark.parametrize("method", ["random", "l1"])
@pytest.mark.parametrize("region", REGIONS)
def test_share_of_zeros_is_exact_in_each_tensor(name, method, region):
    for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        network = pruned(name, method, ratio, region)
        expected = {}
        for layer in region_layers(network, region):
            for part, values in layer.named_parameters():
                if is_prunable(layer, part):
                    expected[id(values)] = round(ratio * values.numel())
        found = {id(values): zeros(values) for values in network.parameters() if zeros(values)}
        assert found == {key: count for key, count in expected.items() if count}


@ALL
def test_l1_removes_the_smallest(name):
    before, after = build(name), pruned(name, "l1", 0.3)
    touched = 0
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        if zeros(new):
            gone = new == 0
            assert old[gone].abs().max() <= old[~gone].abs().min()
            assert torch.equal(old[~gone], new[~gone])
            touched += 1
    assert touched > len(list(after.parameters())) / 3


def test_l1_ignores_signs():
    network = nn.Sequential(nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[-3.0, 0.1, 2.0, -0.2]]))
    prune(network, CompressionConfig("l1", 0.5))
    assert network[0].weight.tolist() == [[-3.0, 0.0, 2.0, 0.0]]


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_random_pruning_repeats_with_its_seed(scope):
    def state(seed):
        network = build("mini_ddpm")
        prune(network, CompressionConfig("random", 0.5, prune_seed=seed, prune_scope=scope))
        return network.state_dict()

    torch.manual_seed(4)
    random_state = torch.get_rng_state()
    first = state(3)
    assert torch.equal(torch.get_rng_state(), random_state)
    torch.manual_seed(5)
    again, other = state(3), state(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_random_pruning_takes_large_and_small_weights_alike():
    before, after = build("ncsn"), pruned("ncsn", "random", 0.5)
    old = before.encoder[3].conv.weight.detach().abs()
    gone = after.encoder[3].conv.weight == 0
    # 18,432 weights: the means of the halves differ by about 1 % of the spread.
    assert old[gone].mean().item() == pytest.approx(old[~gone].mean().item(), rel=0.05)


@ALL
@pytest.mark.parametrize("method", ["random", "l1"])
def test_only_embedding_norms_packed_projections_and_convolution_biases_are_spared(name, method):
    network = pruned(name, method, 0.5)
    spared = {key for key, values in network.named_parameters() if not zeros(values)}
    modules = dict(network.named_modules())
    for key, _ in network.named_parameters():
        module, part = modules[key.rpartition(".")[0]], key.rpartition(".")[2]
        is_spared = key.startswith("embedding.") or isinstance(module, SPARED)
        is_spared |= isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and part == "bias"
        assert is_spared == (key in spared)
    assert any(key.startswith("embedding.") for key in spared)


def test_embedding_and_buffers_keep_their_values():
    before, after = (n.embedding.state_dict() for n in (build("ncsn"), pruned("ncsn", "l1", 0.7)))
    assert {"noise.frequencies", "linear.weight", "label.weight"} <= set(before)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_regions_of_the_ncsn_have_the_published_elements():
    network = build_network(NetworkConfig("ncsn", (32, 64, 128, 256), conditional=False), DIGITS)
    counts = {
        region: sum(v.numel() for x in region_layers(network, region) for v in x.parameters())
        for region in REGIONS
    }
    assert counts == {"middle": 942_592, "extremes": 105_505, "all": 1_048_097}


@ALL
def test_regions_split_the_layers(name):
    network = build(name)
    every, middle, extremes = (region_layers(network, region) for region in REGIONS)
    quarter = round(len(every) / 4)
    assert extremes[:quarter] + middle + extremes[quarter:] == every
    assert len(extremes) == 2 * quarter
    assert len(set(map(id, every))) == len(every)


@ALL
def test_layers_come_from_the_input_to_the_output(name):
    network = build(name)
    called = []
    for layer in region_layers(network, "all"):
        layer.register_forward_hook(lambda module, *_: called.append(module))
    with torch.no_grad():
        network(torch.zeros(1, 1, 28, 28), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    names = {id(module): key for key, module in network.named_modules()}
    order = [names[id(layer)] for layer in region_layers(network, "all")]
    assert order == [names[id(layer)] for layer in called]


def test_nothing_is_pruned_without_a_method():
    before, after = build("mini_ddpm"), build("mini_ddpm")
    prune(after, CompressionConfig())
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    assert all(torch.equal(old, new) for old, new in pairs)


@ALL
@pytest.mark.parametrize("region", REGIONS)
def test_pruned_network_runs(name, region):
    images = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    arguments = images, torch.zeros(2), torch.tensor([0, 1])
    with torch.no_grad():
        before = build(name)(*arguments)
        after = pruned(name, "l1", 0.7, region)(*arguments)
    assert after.shape == before.shape
    assert after.isfinite().all()
    assert not torch.equal(after, before)


@pytest.mark.parametrize("name", ["mini_ddpm", "ncsn-grouped"])
@pytest.mark.parametrize(
    "config",
    [
        CompressionConfig("random", 0.5),
        CompressionConfig("l1", 0.5),
        CompressionConfig("random", 0.5, prune_scope="global"),
        CompressionConfig("l1", 0.5, prune_scope="global"),
        CompressionConfig(filter_ratio=0.5),
    ],
    ids=["random", "l1", "global-random", "global-l1", "filters"],
)
def test_memory_layout_does_not_change_what_is_pruned(name, config):
    plain, last = build(name), build(name).to(memory_format=torch.channels_last)
    for network in (plain, last):
        prune(network, config)
    for ours, theirs in zip(plain.parameters(), last.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def prunable_tensors(network, region="all"):
    return [
        values
        for layer in region_layers(network, region)
        for part, values in layer.named_parameters()
        if is_prunable(layer, part)
    ]


@ALL
@pytest.mark.parametrize("region", REGIONS)
def test_global_pruning_takes_the_smallest_of_all(name, region):
    before, after = build(name), build(name)
    prune(after, CompressionConfig("l1", 0.3, region, prune_scope="global"))
    old = torch.cat([values.abs().flatten() for values in prunable_tensors(before, region)])
    new = torch.cat([values.flatten() for values in prunable_tensors(after, region)])
    assert zeros(new) == round(0.3 * len(new))
    assert old[new == 0].max() <= old[new != 0].min()
    assert sum(map(zeros, after.parameters())) == zeros(new), "and nothing else"


def test_global_random_pruning_spreads_over_the_tensors():
    network = build("ncsn")
    prune(network, CompressionConfig("random", 0.5, prune_scope="global"))
    tensors = prunable_tensors(network)
    counts = [zeros(values) / values.numel() for values in tensors if values.numel() > 2_000]
    assert counts == pytest.approx([0.5] * len(counts), abs=0.05)
    assert len(set(counts)) > 1, "not the same share in each"


def central_shares(name, ratio, region="all"):
    """Prune centrally; return the share of zeros in each layer's weight, and the weights."""
    network = build(name)
    prune(network, CompressionConfig("l1", ratio, region, prune_profile="central"))
    weights = [layer.weight for layer in region_layers(network, region)]
    return [zeros(weight) / weight.numel() for weight in weights], weights


@ALL
@pytest.mark.parametrize("region", REGIONS)
def test_central_pruning_rises_to_its_ratio_at_the_centre_and_falls(name, region):
    shares, weights = central_shares(name, 0.6, region)
    count = len(shares)
    half = (count + 1) // 2
    for number, (share, weight) in enumerate(zip(shares, weights, strict=True)):
        # From the first layer, which keeps the most, even steps to the centre and down again.
        expected = 0.6 * min(number + 1, count - number) / half
        assert share == pytest.approx(expected, abs=0.501 / weight.numel())


def test_central_pruning_takes_biases_of_linear_layers_alike():
    network = build("ncsn")
    prune(network, CompressionConfig("random", 0.5, prune_profile="central"))
    layers = region_layers(network, "all")
    dense = [(i, layer) for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    for number, layer in dense:
        ratio = 0.5 * min(number + 1, len(layers) - number) / ((len(layers) + 1) // 2)
        assert zeros(layer.bias) == round(ratio * layer.bias.numel())


@ALL
def test_a_ratio_below_every_tensors_half_weight_prunes_nothing(name):
    largest = max(values.numel() for values in build(name).parameters())
    _, weights = central_shares(name, 0.49 / largest)
    assert not any(map(zeros, weights))


def naive_filters(layer):
    """Return a convolution's filters one by one, each a view of its weights."""
    if isinstance(layer, nn.Conv2d):
        return list(layer.weight)
    channels = layer.in_channels // layer.groups
    filters = layer.out_channels // layer.groups
    return [
        layer.weight[group * channels : (group + 1) * channels, number]
        for group in range(layer.groups)
        for number in range(filters)
    ]


@ALL
def test_filter_pruning_takes_the_weakest_filters_of_every_convolution(name):
    before, after = build(name), build(name)
    prune(after, CompressionConfig(filter_ratio=0.25))
    found = 0
    for old, new in zip(region_layers(before, "all"), region_layers(after, "all"), strict=True):
        if isinstance(new, nn.Linear) or new is after.out:
            assert zeros(new.weight) == 0
            continue
        norms = torch.stack([part.abs().sum() for part in naive_filters(old)])
        gone = torch.tensor([not part.any() for part in naive_filters(new)])
        assert gone.sum() == round(0.25 * len(gone))
        assert norms[gone].max() <= norms[~gone].min()
        assert zeros(new.weight) == sum(naive_filters(new)[i].numel() for i in gone.nonzero())
        if new.bias is not None:
            assert torch.equal(new.bias == 0, gone)
        found += int(gone.sum())
    assert found > 0


@pytest.mark.parametrize("region", REGIONS)
def test_filters_are_pruned_in_their_region_alone(region):
    network = build("mini_ddpm")
    prune(network, CompressionConfig(filter_ratio=0.25))
    everywhere = {id(layer) for layer in region_layers(network, "all") if zeros(layer.weight)}
    assert len(everywhere) > 5
    network = build("mini_ddpm")
    config = CompressionConfig("l1", 1e-6, region, filter_ratio=0.25)  # 1e-6 rounds to nothing
    prune(network, config)
    inside = {id(layer) for layer in region_layers(network, region)}
    for layer in region_layers(network, "all"):
        is_pruned = isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer is not network.out
        assert bool(zeros(layer.weight)) == (is_pruned and id(layer) in inside)


@ALL
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_single_weights_go_after_filters_and_count_them(name, scope):
    filters, both = build(name), build(name)
    prune(filters, CompressionConfig(filter_ratio=0.1))
    prune(both, CompressionConfig("l1", 0.3, filter_ratio=0.1, prune_scope=scope))
    # Zeroed filters are the smallest weights, so they are among the 30 %.
    for first, then in zip(filters.parameters(), both.parameters(), strict=True):
        assert not then[first == 0].any()
    tensors = prunable_tensors(both)
    if scope == "global":
        assert sum(map(zeros, tensors)) == round(0.3 * sum(v.numel() for v in tensors))
    else:
        first = prunable_tensors(filters)
        for values, before in zip(tensors, first, strict=True):
            assert zeros(values) == max(round(0.3 * values.numel()), zeros(before))


def test_random_weights_go_beside_filters():
    filters, both = build("ncsn"), build("ncsn")
    prune(filters, CompressionConfig(filter_ratio=0.25))
    prune(both, CompressionConfig("random", 0.4, filter_ratio=0.25))
    before, after = (n.encoder[3].conv.weight for n in (filters, both))
    assert not after[before == 0].any()
    # 18,432 weights, drawn apart from the filters.
    assert zeros(after) / after.numel() == pytest.approx(1 - 0.75 * 0.6, abs=0.02)


@ALL
def test_masks_are_where_pruned_tensors_are_zero(name):
    network = build(name)
    prune(network, CompressionConfig("l1", 0.3, filter_ratio=0.1))
    masks = pruned_masks(network)
    assert sum(int(mask.sum()) for _, mask in masks) == sum(map(zeros, network.parameters()))
    masked = {id(values) for values, _ in masks}
    assert masked >= {id(values) for values in prunable_tensors(network)}
    for key, values in network.named_parameters():
        module = network.get_submodule(key.rpartition(".")[0])
        is_spared = key.startswith("embedding.") or isinstance(module, SPARED)
        assert is_spared == (id(values) not in masked)


def test_masks_keep_their_places_when_weights_move():
    network = build("mini_ddpm")
    prune(network, CompressionConfig("l1", 0.3))
    masks = pruned_masks(network)
    found = [mask.clone() for _, mask in masks]
    with torch.no_grad():
        for values, _ in masks:
            values.add_(1)
    for mask, (values, pruned) in zip(found, masks, strict=True):
        assert torch.equal(pruned, mask)
        assert values.requires_grad
