"""Pruning: which weights become zero, and that no others do."""

import pytest
import torch
from torch import nn

from diffusion.compress.prune import prune, pruned_masks, region_layers
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, DataConfig, NetworkConfig

DIGITS = DataConfig("digits", 28, 1, 10, "")
NETWORKS = {
    "ncsn": NetworkConfig("ncsn", (8, 16, 32, 64)),
    "ncsn-grouped": NetworkConfig("ncsn", (8, 16, 32, 64), groups=8),
    "mini_ddpm": NetworkConfig("mini_ddpm", (8, 16)),
    "mini_ddpm-depthwise": NetworkConfig("mini_ddpm", (8, 16), groups="max", patch_size=2),
    "mini_ddpm-deep": NetworkConfig("mini_ddpm", (8, 16, 16), conditional=False),
}
ALL = pytest.mark.parametrize("name", NETWORKS)
REGIONS = ("all", "middle", "extremes")


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


def test_random_pruning_repeats_with_its_seed():
    torch.manual_seed(4)
    state = torch.get_rng_state()
    first = pruned("mini_ddpm", "random", 0.5, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    again, other = (pruned("mini_ddpm", "random", 0.5, seed=seed) for seed in (3, 4))
    first, again, other = (n.state_dict() for n in (first, again, other))
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
def test_only_embedding_norms_and_convolution_biases_are_spared(name, method):
    network = pruned(name, method, 0.5)
    spared = {key for key, values in network.named_parameters() if not zeros(values)}
    modules = dict(network.named_modules())
    for key, _ in network.named_parameters():
        module, part = modules[key.rpartition(".")[0]], key.rpartition(".")[2]
        is_spared = key.startswith("embedding.") or isinstance(module, nn.GroupNorm)
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


def test_memory_layout_does_not_change_what_is_pruned():
    plain, last = build("mini_ddpm"), build("mini_ddpm").to(memory_format=torch.channels_last)
    for method in ("random", "l1"):
        for network in (plain, last):
            prune(network, CompressionConfig(method, 0.5))
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


@ALL
def test_central_pruning_grows_towards_the_centre(name):
    network = build(name)
    prune(network, CompressionConfig("l1", 0.6, prune_profile="central"))
    layers = region_layers(network, "all")
    shares = [zeros(layer.weight) / layer.weight.numel() for layer in layers]
    middle, count = (len(layers) - 1) // 2, len(layers)
    near = [min(i + 1, count - i) / min(middle + 1, count - middle) for i in range(count)]
    for share, nearness, layer in zip(shares, near, layers, strict=True):
        assert share == pytest.approx(0.6 * nearness, abs=0.51 / layer.weight.numel())
    assert max(shares) == pytest.approx(0.6, abs=0.01)


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


def test_filters_go_first_and_single_weights_then():
    network = build("mini_ddpm")
    prune(network, CompressionConfig("l1", 0.3, filter_ratio=0.1))
    for layer in region_layers(network, "all"):
        # Zeroed filters are the smallest weights, so they are among the 30 %.
        assert zeros(layer.weight) == round(0.3 * layer.weight.numel())


def test_masks_are_where_pruned_tensors_are_zero():
    network = build("mini_ddpm")
    prune(network, CompressionConfig("l1", 0.3, filter_ratio=0.1))
    masks = pruned_masks(network)
    assert sum(int(mask.sum()) for _, mask in masks) == sum(map(zeros, network.parameters()))
    assert {id(values) for values, _ in masks} >= {id(v) for v in prunable_tensors(network)}
