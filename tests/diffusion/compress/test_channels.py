"""Channel pruning: what is left computes what it did, in every architecture, group and ratio."""

import copy
import itertools
import math
import subprocess
import sys

import pytest
import safetensors.torch
import small_networks
import torch
import torch.nn.functional as F

from diffusion.compress.channels import narrow_width, remove_channels
from diffusion.compress.original import Original
from diffusion.compress.package import read_package, write_package
from diffusion.model import DiffusionModel
from diffusion.networks import build_network, count_macs, count_parameters, norms
from diffusion.networks.coupling import coupling_table
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig, TrainingConfig

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
GROUPS = (1, 2, 4, "max")
SHAPES = {
    **{f"ncsn-{g}": small_networks.config("ncsn", groups=g) for g in GROUPS},
    **{f"mini_ddpm-{g}": small_networks.config("mini_ddpm", groups=g) for g in GROUPS},
    **{f"ddpm-{g}": small_networks.config("ddpm", groups=g) for g in GROUPS},
    "ddpm-bottleneck": small_networks.config("ddpm", groups=8, grouped_layers="bottleneck"),
    "ncsn-odd": small_networks.config("ncsn", (12, 20, 36, 60), groups=4, conditioning_width=6),
    "mini_ddpm-odd": small_networks.config("mini_ddpm", (12, 32), groups=4, conditional=False),
    "mini_ddpm-deep": small_networks.config("mini_ddpm", (8, 16, 16), groups=2, patch_size=2),
}
ALL = pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
DATA = small_networks.data(26)


def build(config):
    return small_networks.perturb(build_network(config, DATA))


@torch.no_grad()
def distinct(config):
    """Return a network of float64 weights, of which no two are the same."""
    network = build_network(config, DATA).double()
    generator = torch.Generator().manual_seed(2)
    for values in network.parameters():
        values.add_(torch.randn(values.shape, generator=generator, dtype=values.dtype), alpha=0.1)
    return network


@torch.no_grad()
def exact_call(network):
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 1, DATA.image_size, DATA.image_size, generator=generator).double()
    return network(images, torch.tensor([-1.0, 1.0]).double(), torch.tensor([1, 2]))


def by_chance(table):
    """Return importances that say nothing, so that what goes lies anywhere."""
    generator = torch.Generator().manual_seed(1)
    streams = dict.fromkeys(s for c in table for s in (*c.inputs, *c.outputs))
    return {stream: torch.rand(stream.channels, generator=generator) for stream in streams}


def pruned(network, config, ratio, measure=by_chance):
    narrow = copy.deepcopy(network)
    remove_channels(narrow, config, ratio, measure)
    return narrow


def recipe_of(config, method="channels_l1", ratio=0.5, **compression):
    guidance = 2.0 if config.conditional else 1.0
    return Recipe(
        data=DATA,
        network=config,
        training=TrainingConfig(train_images=64, batch_size=16),
        compression=CompressionConfig(method, ratio, **compression),
        sampling=SamplingConfig(steps=2, guidance=guidance),
    )


def only_scaled(monkeypatch):
    """Make norms multiply and add alone: their statistics are of the channels that there are."""

    def group(images, groups, weight, bias, eps=0.0):
        return images * weight[:, None, None] + bias[:, None, None]

    def layer(tokens, shape, weight, bias, eps=0.0):
        return tokens * weight + bias

    monkeypatch.setattr(norms, "has_own_ways", lambda images: False)
    monkeypatch.setattr(F, "group_norm", group)
    monkeypatch.setattr(F, "layer_norm", layer)


@torch.no_grad()
def with_zeros(network, narrow):
    """Return a network of which all that the narrow one lacks is 0: found by its values alone."""
    zeroed, kept = copy.deepcopy(network), narrow.state_dict()
    for name, values in zeroed.named_parameters():
        looked_for = values.clone()
        if "qkv" in name or "in_proj" in name:  # queries are scaled, for narrower products
            queries, narrow_queries = len(values) // 3, len(kept[name]) // 3
            looked_for[:queries] *= math.sqrt(narrow_queries / queries)
        values[~torch.isin(looked_for, kept[name])] = 0
    return zeroed


@ALL
@pytest.mark.parametrize("ratio", RATIOS)
def test_what_is_left_computes_what_it_did_but_for_statistics(config, ratio, monkeypatch):
    only_scaled(monkeypatch)
    network = distinct(config)
    narrow = pruned(network, config, ratio)
    expected, found = exact_call(with_zeros(network, narrow)), exact_call(narrow)
    assert expected.std() > 0
    assert found.sub(expected).abs().max() < 1e-9 * expected.std()


@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_exact_where_each_channel_is_normed_alone(groups):
    config = small_networks.config("ncsn", (4, 8, 16, 32), groups=groups)
    network = distinct(config)
    narrow = pruned(network, config, 0.5)
    expected = exact_call(with_zeros(network, narrow))
    assert exact_call(narrow).sub(expected).abs().max() < 1e-9 * expected.std()


@ALL
def test_widths_work_and_parameters_fall_with_the_ratio(config):
    counts, dense = [], build(config)
    for ratio in (0.0, 0.1, 0.4, 0.7):
        narrow = pruned(dense, config, ratio)
        counts.append((count_macs(narrow, DATA), count_parameters(narrow)[0]))
        for before, now in zip(coupling_table(dense), coupling_table(narrow), strict=True):
            left = [stream.channels for stream in (*now.inputs, *now.outputs)]
            wide = [stream.channels for stream in (*before.inputs, *before.outputs)]
            assert left == [narrow_width(config, channels, ratio) for channels in wide]
    assert all(now <= before for before, now in itertools.pairwise(counts))
    assert counts[-1][0] < 0.6 * counts[0][0]


@pytest.mark.parametrize(
    ("architecture", "widths", "groups", "channels", "ratio", "expected"),
    [
        ("ncsn", (8, 16, 32, 64), 1, 64, 0.3, 45),
        ("ncsn", (8, 16, 32, 64), 4, 64, 0.3, 44),
        ("ncsn", (8, 16, 32, 64), 8, 8, 0.7, 8),  # one in each group is the least
        ("ncsn", (8, 16, 32, 64), "max", 64, 0.3, 48),  # 6 of 8, in each width
        ("mini_ddpm", (24, 64), 1, 24, 0.5, 12),
        ("mini_ddpm", (24, 64), 1, 24, 0.99, 1),
        ("ddpm", (20,), 1, 20, 0.5, 8),  # 10 is no multiple of the heads
        ("ddpm", (4,), 16, 16, 0.9, 16),
        ("ddpm", (4,), 16, 4, 0.9, 4),  # in no grouped layer
        ("ddpm", (8,), "max", 64, 0.5, 32),
    ],
)
def test_a_width_is_a_multiple_of_groups_and_heads(
    architecture, widths, groups, channels, ratio, expected
):
    grouped = "bottleneck" if groups == 16 else "all"
    config = small_networks.config(architecture, widths, groups=groups, grouped_layers=grouped)
    assert narrow_width(config, channels, ratio) == expected


@pytest.mark.parametrize("name", ["ncsn-4", "mini_ddpm-2", "ddpm-4", "mini_ddpm-deep"])
def test_nothing_between_kept_channels_is_lost_where_all_widths_halve(name):
    narrow = pruned(build(SHAPES[name]), SHAPES[name], 0.5)
    assert all(values.all() for values in narrow.parameters())


def test_without_importances_and_weights_there_are_shapes():
    config = SHAPES["mini_ddpm-2"]
    with torch.device("meta"):
        network = build_network(config, DATA)
    remove_channels(network, config, 0.3)
    narrow = pruned(build(config), config, 0.3)
    assert [p.shape for p in network.parameters()] == [p.shape for p in narrow.parameters()]
    assert all(values.is_meta for values in network.parameters())


@torch.no_grad()
def with_spoiled_channels(config, reads_only):
    """Return a network whose bottleneck has some inner channels that are of no use."""
    network, spoiled = build(config), [0, 3, 5, 6, 9, 10, 12, 15]
    block = network.bottleneck1
    block.norm2.bias.copy_(torch.arange(16))  # tells them apart
    block.conv2.weight[:, spoiled] = 0
    if reads_only:
        block.conv1.weight[spoiled] *= 100
    else:
        block.conv1.weight[spoiled] = 0
    return network, [float(i) for i in range(16) if i not in spoiled]


def test_l1_keeps_the_largest_and_the_loss_what_is_read():
    config = small_networks.config("mini_ddpm", (8, 16))
    images = torch.randint(0, 256, (32, 1, 26, 26), dtype=torch.uint8)
    labels = torch.arange(32) % 10

    def left(network, method):
        recipe = recipe_of(config, method)
        narrow = Original(network, recipe, images, labels).narrowed(recipe.compression).network
        return narrow.bottleneck1.norm2.bias.tolist()

    small, useful = with_spoiled_channels(config, reads_only=False)
    assert left(small, "channels_l1") == useful
    unread, useful = with_spoiled_channels(config, reads_only=True)
    assert left(unread, "channels_loss") == useful
    assert left(unread, "channels_l1") != useful


@ALL
def test_a_package_holds_what_is_kept_alone(config, tmp_path):
    path, dense = tmp_path / "model.pdm", build(config)
    sizes = [write_package(path, recipe_of(config, "l1"), dense)]
    counts = [count_parameters(dense)[0]]
    for ratio in (0.3, 0.7):
        narrow, recipe = pruned(dense, config, ratio), recipe_of(config, ratio=ratio)
        sizes.append(write_package(path, recipe, narrow))
        counts.append(count_parameters(narrow)[0])
        model, expected = read_package(path), DiffusionModel(recipe, narrow)
        assert count_parameters(model.network) == count_parameters(narrow)
        assert small_networks.call(model.network, DATA).isfinite().all()
        drawn = [m.generate(torch.tensor([1, 2])) for m in (model, expected)]
        assert torch.equal(*drawn)
    assert sizes[0] > sizes[1]
    # A few channels in as many groups leave nothing more to remove.
    assert sizes[1] > sizes[2] or counts[1] == counts[2] < counts[0]


READING = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import safetensors.torch, small_networks
from diffusion.compress.package import read_package
models = {path.stem: read_package(path) for path in sorted(Path(sys.argv[1]).glob("*.pdm"))}
outputs = {n: small_networks.call(m.network, m.recipe.data) for n, m in models.items()}
safetensors.torch.save_file(outputs, Path(sys.argv[1]) / "outputs.safetensors")
"""


@pytest.mark.slow
def test_a_fresh_process_reads_every_shape_alike(tmp_path):
    expected = {}
    for (name, config), ratio in itertools.product(SHAPES.items(), (0.2, 0.7)):
        narrow, recipe = pruned(build(config), config, ratio), recipe_of(config, ratio=ratio)
        write_package(tmp_path / f"{name} {ratio}.pdm", recipe, narrow)
        network = DiffusionModel(recipe, narrow).network
        expected[f"{name} {ratio}"] = small_networks.call(network, DATA)
    paths = [str(tmp_path), *sys.path]
    subprocess.run([sys.executable, "-c", READING, *paths], check=True, timeout=300)
    found = safetensors.torch.load_file(tmp_path / "outputs.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], output) for name, output in expected.items())
