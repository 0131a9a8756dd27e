"""The share of a GPU that trials take by default, by how large a space's networks are."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from diffusion.recipe import DataConfig, NetworkConfig, Recipe
from search_spaces import load_space
from study.cli.gpu_share import gpu_share
from study.cluster.resources import Node, Resources, fit_to_nodes
from study.search import main


def test_small_networks_share_a_gpu_and_large_ones_have_it_alone(digit_recipe: Recipe) -> None:
    quick = load_space("quick")
    assert gpu_share(quick, digit_recipe.data) == 0.25

    def large(trial: optuna.Trial, data: DataConfig) -> Recipe:
        return replace(digit_recipe, network=NetworkConfig("mini_ddpm", (128, 256)))

    assert gpu_share(replace(quick, suggest=large), digit_recipe.data) == 1.0


def test_networks_that_cannot_be_built_do_not_count(digit_recipe: Recipe) -> None:
    def odd(trial: optuna.Trial, data: DataConfig) -> Recipe:
        return replace(digit_recipe, network=NetworkConfig("mini_ddpm", (8, 16), groups=3))

    assert gpu_share(replace(load_space("quick"), suggest=odd), digit_recipe.data) == 1.0


@pytest.mark.parametrize(
    ("arguments", "share"),
    [([], 0.25), (["--space", "system-a-ddpm"], 1.0), (["--gpus-per-trial", "0.5"], 0.5)],
    ids=["small networks", "large ones", "asked for"],
)
def test_a_search_takes_it_where_there_is_a_gpu(
    arguments: list[str], share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is there: a node with one is made up."""
    found: list[float] = []

    def resolve(*wanted: Any, may_grow: bool, gpu_share: Any) -> Resources:
        found.append(fit_to_nodes([Node(4, 1)], *wanted, gpu_share).gpus_per_trial)
        return fit_to_nodes([Node(2)])

    monkeypatch.setattr("study.commands.search.resolve_resources", resolve)
    monkeypatch.setattr("study.commands.search.ray_session", lambda *_, **__: nullcontext())
    main([*arguments, "--dry-run", "--out", str(tmp_path)])
    assert found == [share]
