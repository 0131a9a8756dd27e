"""What is refused before training would surely be over the limit; parameters and macs exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.compress.channels import remove_channels
from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune
from diffusion.compress.uniform import covered_names
from diffusion.cool_down import cool_down
from diffusion.data import load_dataset
from diffusion.errors import InfeasibleRecipe
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import DataConfig, Recipe
from study.engine import feasibility
from study.engine.feasibility import SIZE_MARGIN, excess
from study.results.limits import floor

LONG = {"training.train_images": 50_000}
COMPRESSIONS: list[dict[str, Any]] = [
    {},
    {"quantization": "weights8"},
    {"quantization": "linear8"},
    {"quantization": "linear4"},
    {"prune_method": "l1", "prune_ratio": 0.6},
    {"prune_method": "random", "prune_ratio": 0.6, "quantization": "weights8"},
    {"prune_method": "l1", "prune_ratio": 0.6, "prune_scope": "global", "filter_ratio": 0.3},
    {"prune_method": "random", "prune_ratio": 0.3, "filter_ratio": 0.3},
    {"prune_method": "random", "prune_ratio": 0.5, "quantization": "linear4"},
    {"prune_method": "channels_l1", "prune_ratio": 0.5},
    {"prune_method": "channels_loss", "prune_ratio": 0.3, "quantization": "weights8"},
]


def with_compression(recipe: Recipe, compression: dict[str, Any]) -> Recipe:
    plain = {
        **{"prune_method": "none", "prune_ratio": 0.0, "quantization": "none"},
        "quantization_step": 0.0,
    }
    changes = {f"compression.{k}": v for k, v in (plain | compression).items()}
    return recipe.with_changes(LONG | changes)


@torch.no_grad()
def as_if_trained(recipe: Recipe, seed: int) -> nn.Module:
    """Return a network whose weights are of a training's kind: none zero, with heavy tails."""
    network = build_network(recipe.network, recipe.data, recipe.training.seed)
    generator = torch.Generator().manual_seed(seed)
    for values in network.parameters():
        noise = torch.randn(values.shape, generator=generator)
        # Tails wider than a normal's, as trained weights have them: more small codes.
        values += 0.03 * noise * torch.rand(values.shape, generator=generator).add(0.5)
    if ratio := recipe.compression.channel_ratio:
        remove_channels(network, recipe.network, ratio)
    prune(network, recipe.compression)
    return network


@pytest.mark.parametrize("compression", [{}, {"prune_method": "channels_l1", "prune_ratio": 0.5}])
def test_parameters_and_macs_are_exact_at_the_limit(
    digit_recipe: Recipe, compression: dict[str, Any]
) -> None:
    recipe = with_compression(digit_recipe, compression)
    network = as_if_trained(recipe, 1)
    exact = {
        "parameters": count_parameters(network)[0],
        "macs": count_macs(network, recipe.data),
    }
    for name, value in exact.items():
        assert excess(recipe, {name: value}) is None
        reason = excess(recipe, {name: value - 1})
        assert reason == f"{name} would be at least {value:,}; the limit is {value - 1:,}"
        assert excess(recipe, {floor(name): value}) is None
        reason = excess(recipe, {floor(name): value + 1})
        assert reason == f"{name} would be {value:,}; the limit is {value + 1:,} or more"


def test_a_floor_of_what_training_settles_refuses_nothing(digit_recipe: Recipe) -> None:
    limits = {floor(name): 1e12 for name in ("size_bytes", "nonzero_parameters", "recall")}
    assert excess(digit_recipe, limits) is None


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_trained_model_keeps_to_is_never_refused(
    digit_recipe: Recipe, compression: dict[str, Any], seed: int, tmp_path: Path
) -> None:
    recipe = with_compression(digit_recipe, compression)
    network = as_if_trained(recipe, seed)
    size_bytes = write_package(tmp_path / "model.pdm", recipe, network)
    nonzero = count_parameters(shipped(tmp_path / "model.pdm"))[1]
    assert excess(recipe, {"size_bytes": size_bytes, "nonzero_parameters": nonzero}) is None


def shipped(package: Path) -> nn.Module:
    return read_package(package).network


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=str)
def test_a_file_that_is_far_over_the_limit_is_refused(
    digit_recipe: Recipe, compression: dict[str, Any], tmp_path: Path
) -> None:
    recipe = with_compression(digit_recipe, compression)
    size_bytes = write_package(tmp_path / "model.pdm", recipe, as_if_trained(recipe, 1))
    reason = excess(recipe, {"size_bytes": (1 - 2 * SIZE_MARGIN) * size_bytes})
    assert reason is not None
    assert reason.startswith("size_bytes would be at least ")


@pytest.mark.parametrize(
    ("compression", "exact"),
    [
        ({"prune_method": "l1", "prune_ratio": 0.3}, True),
        ({"prune_method": "random", "prune_ratio": 0.3}, True),
        ({"prune_method": "l1", "prune_ratio": 0.3, "filter_ratio": 0.5}, True),
        ({"filter_ratio": 0.5}, True),
        ({"prune_method": "random", "prune_ratio": 0.3, "filter_ratio": 0.5}, False),
        ({"quantization": "linear4"}, False),
    ],
    ids=str,
)
def test_unquantized_counts_are_exact_but_where_training_decides(
    digit_recipe: Recipe, compression: dict[str, Any], exact: bool
) -> None:
    recipe = with_compression(digit_recipe, compression)
    count = count_parameters(as_if_trained(recipe, 3))[1]
    assert excess(recipe, {"nonzero_parameters": count}) is None
    assert (excess(recipe, {"nonzero_parameters": count - 1}) is not None) == exact


def test_a_short_training_may_leave_tensors_that_began_at_zero(
    digit_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = with_compression(digit_recipe, {}).with_changes({"training.train_images": 64})
    network = build_network(recipe.network, recipe.data)
    size_bytes = write_package(tmp_path / "model.pdm", recipe, network)
    nonzero = count_parameters(network)[1]
    assert excess(recipe, {"size_bytes": size_bytes, "nonzero_parameters": nonzero}) is None
    longer = recipe.with_changes(LONG)
    assert excess(longer, {"size_bytes": size_bytes}) is not None
    assert excess(longer, {"nonzero_parameters": nonzero}) is not None


def test_frozen_4_bit_weights_are_not_judged_by_their_float_twins(digit_recipe: Recipe) -> None:
    changes = LONG | {"training.quantization": "linear4_frozen"}
    recipe = digit_recipe.with_changes(changes)
    assert excess(recipe, {"size_bytes": 1, "nonzero_parameters": 1}) is None
    assert excess(recipe, {"parameters": 1}) is not None


@given(st.sampled_from(["fid", "latency_ms", "kid"]), st.floats(1e-9, 1e9))
@settings(deadline=None)
def test_what_only_a_trained_model_shows_is_never_refused(name: str, most: float) -> None:
    recipe = Recipe.from_dict(TINY)
    assert excess(recipe, {name: most}) is None
    assert excess(recipe, {}) is None


def test_only_what_the_limits_ask_for_is_computed(
    digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feasibility, "package_bytes", lambda *given: pytest.fail("packaged"))
    assert excess(digit_recipe, {"parameters": 1e9, "macs": 1e12}) is None
    reason = excess(digit_recipe, {"size_bytes": 1, "macs": 1})
    assert (reason or "").startswith("macs"), "the cheapest reason is enough"


@pytest.mark.parametrize(
    ("changes", "packed"),
    [
        ({"ema.track": "long"}, 1),
        ({"sampling.steps": 30, "sampling.guidance": 1.5}, 1),
        ({"training.seed": 3, "sampling.seed": 4, "compression.prune_seed": 5}, 1),
        ({"training.train_images": 60_000, "training.learning_rate": 1e-3}, 1),
        ({"compression.finetune_images": 64}, 1),
        ({"compression.finetune_learning_rate": 1e-3, "compression.finetune_batch_size": 8}, 1),
        ({"compression.prune_ratio": 0.4}, 2),
        ({"compression.quantization": "weights8"}, 2),
        ({"training.quantization": "linear8"}, 2),
        ({"training.train_images": 64}, 2),
        ({"network.groups": 2}, 2),
    ],
    ids=str,
)
def test_a_model_is_packed_once_for_all_that_it_stands_for(
    digit_recipe: Recipe,
    changes: dict[str, Any],
    packed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack, calls = feasibility.package_bytes, []

    def count(*given: Any) -> int:
        calls.append(given)
        return pack(*given)

    monkeypatch.setattr(feasibility, "package_bytes", count)
    feasibility._least_size.cache_clear()
    recipe = with_compression(digit_recipe, {"prune_method": "random", "prune_ratio": 0.6})
    reasons = [excess(r, {"size_bytes": 1}) for r in (recipe, recipe.with_changes(changes))]
    assert len(calls) == packed
    assert packed > 1 or reasons[0] == reasons[1]


UNIFORM = {"quantization": "uniform", "quantization_step": 1.2}


@pytest.mark.parametrize("step", [0.3, 1.2, 2.0])
@pytest.mark.parametrize("pruning", [{}, {"prune_method": "l1", "prune_ratio": 0.6}], ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_uniform_steps_are_refused_only_where_the_limit_is_far_below(
    digit_recipe: Recipe, step: float, pruning: dict[str, Any], seed: int, tmp_path: Path
) -> None:
    recipe = with_compression(digit_recipe, UNIFORM | {"quantization_step": step} | pruning)
    network = as_if_trained(recipe, seed)
    size_bytes = write_package(tmp_path / "model.pdm", recipe, network)
    nonzero = count_parameters(shipped(tmp_path / "model.pdm"))[1]
    assert excess(recipe, {"size_bytes": size_bytes, "nonzero_parameters": nonzero}) is None
    assert excess(recipe, {"size_bytes": 0.8 * size_bytes}) is None
    assert excess(recipe, {"size_bytes": 0.25 * size_bytes}) is not None


def test_all_that_is_rounded_to_uniform_steps_may_become_zero(digit_recipe: Recipe) -> None:
    recipe = with_compression(digit_recipe, UNIFORM)
    network = as_if_trained(recipe, 1)
    for name in covered_names(network):
        network.get_parameter(name).data.zero_()
    rest = count_parameters(network)[1]
    assert excess(recipe, {"nonzero_parameters": rest}) is None
    assert excess(recipe, {"nonzero_parameters": 0.9 * rest}) is not None


@given(st.floats(1e-3, 16), st.floats(1e-3, 16))
def test_a_coarser_step_stands_for_those_close_to_it(first: float, second: float) -> None:
    recipe = Recipe.from_dict(TINY).with_changes({"compression.quantization": "none"})
    steps = [
        feasibility.stand_in(
            recipe.with_changes(
                {"compression.quantization": "uniform", "compression.quantization_step": step}
            )
        ).compression.quantization_step
        for step in (first, second)
    ]
    for step, stand_in in zip((first, second), steps, strict=True):
        assert step <= stand_in <= min(1.2 * step, 16)
    assert (steps[0] <= steps[1]) == (first <= second) or steps[0] == steps[1]


def test_a_network_that_cannot_be_built_is_said(digit_recipe: Recipe) -> None:
    with pytest.raises(InfeasibleRecipe, match="groups"):
        excess(digit_recipe.with_changes({"network.groups": 7}), {"parameters": 1e9})


@pytest.mark.slow
def test_trained_digit_weights_are_judged_within_the_margin(
    digit_recipe: Recipe, tmp_path: Path
) -> None:
    """A few optimizer steps on real digits: the file is never smaller than its bound."""
    data = load_dataset("mnist5k")
    recipe = with_compression(digit_recipe, {"quantization": "weights8"})
    recipe = recipe.with_changes(
        {"training.train_images": 320, "compression.finetune_images": 320}
    )
    network = build_network(recipe.network, recipe.data)
    (end,) = cool_down(network, recipe, data.train_images, data.train_labels)
    network.load_state_dict(end.state)
    size_bytes = write_package(tmp_path / "model.pdm", recipe, network)
    nonzero = count_parameters(shipped(tmp_path / "model.pdm"))[1]
    assert excess(recipe, {"size_bytes": size_bytes, "nonzero_parameters": nonzero}) is None
    assert excess(recipe, {"size_bytes": size_bytes // 2}) is not None


TINY = {
    "data": vars(DataConfig("mnist", 28, 1, 10, "")),
    "network": {"architecture": "mini_ddpm", "widths": [4, 8], "patch_size": 2},
    "training": {"train_images": 64},
}
