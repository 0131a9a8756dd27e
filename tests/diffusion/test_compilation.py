"""Compiled trainings: where they are repaid, what they lack, and that they learn the same."""

import shutil
import sys

import pytest
import torch
from short_trainings import CPU, with_training
from small_networks import DIGITS, config

from diffusion import compilation
from diffusion import train as train_module
from diffusion.compilation import REPAID_IMAGES, compile_in_place, is_repaid
from diffusion.recipe import Recipe, TrainingConfig
from diffusion.train import train

CUDA = torch.device("cuda")


def trained(recipe, dataset, *, compiles):
    """Return the snapshots of a training."""
    images, labels = dataset.train_images, dataset.train_labels
    return list(train(recipe, images, labels, CPU, compiles=compiles))


@pytest.mark.parametrize(
    ("architecture", "device", "train_images", "quantization", "repaid"),
    [
        ("mini_ddpm", CPU, REPAID_IMAGES, "none", True),
        ("mini_ddpm", CPU, REPAID_IMAGES - 1, "none", False),
        ("mini_ddpm", CPU, REPAID_IMAGES, "linear8", False),
        ("ncsn", CPU, REPAID_IMAGES, "none", False),
        ("ddpm", CPU, 10 * REPAID_IMAGES, "none", False),
        ("ddpm", CUDA, REPAID_IMAGES, "none", True),
        ("ncsn", CUDA, REPAID_IMAGES, "none", True),
        ("ncsn", CUDA, REPAID_IMAGES - 1, "none", False),
    ],
)
def test_a_compile_is_repaid_by_long_trainings_of_what_gains(
    architecture, device, train_images, quantization, repaid
):
    training = TrainingConfig(train_images, quantization=quantization)
    recipe = Recipe(DIGITS, config(architecture), training)
    assert is_repaid(recipe, device) == repaid


@pytest.mark.parametrize(
    ("device", "variable", "message"),
    [
        (CPU, "CXX", "takes a compiler: g++, or what $CXX names"),
        (CUDA, "CC", "takes a compiler: gcc or clang, or what $CC names"),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="its compiler has another name")
def test_where_none_can_compile_that_is_said(monkeypatch, caplog, device, variable, message):
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    network = torch.nn.Linear(1, 1)
    assert not compile_in_place(network, device)
    assert network._compiled_call_impl is None
    assert message in caplog.text


def test_the_compiler_that_is_asked_for_counts(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert not compile_in_place(torch.nn.Linear(1, 1), CPU)
    assert "networks are not compiled" in caplog.text


def test_a_gpu_is_compiled_for_by_triton(monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(compilation, "find_spec", lambda name: None)
    assert not compile_in_place(torch.nn.Linear(1, 1), CUDA)
    assert "takes triton" in caplog.text


@pytest.mark.parametrize(
    ("compiles", "can", "compiled"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_snapshot_tells_whether_its_network_was_compiled(
    tiny_recipe, tiny_dataset, monkeypatch, compiles, can, compiled
):
    asked = []
    monkeypatch.setattr(train_module, "is_repaid", lambda recipe, device: True)
    monkeypatch.setattr(
        train_module, "compile_in_place", lambda network, device: bool(asked.append(device)) or can
    )
    recipe = with_training(tiny_recipe, train_images=16, batch_size=8)
    (snapshot,) = trained(recipe, tiny_dataset, compiles=compiles)
    assert snapshot.compiled == compiled
    assert asked == [CPU] * compiles


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(tiny_dataset, monkeypatch, tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to compile with")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compilation, "REPAID_IMAGES", 1)
    training = TrainingConfig(64, batch_size=8)
    recipe = Recipe(tiny_dataset.config(), config("mini_ddpm", (8, 8)), training)
    (plain,), (compiled,) = (
        trained(recipe, tiny_dataset, compiles=compiles) for compiles in (False, True)
    )
    assert (plain.compiled, compiled.compiled) == (False, True)
    assert list(tmp_path.rglob("*.so"))
    for track, weights in plain.tracks.items():
        assert weights.keys() == compiled.tracks[track].keys()
        for name, values in weights.items():
            torch.testing.assert_close(
                compiled.tracks[track][name], values, rtol=1e-3, atol=1e-4, msg=name
            )
