"""The latency in onnxruntime: of the exported program, called as often as the model would be."""

import math

import pytest
import torch
from small_networks import DIGITS, config

from diffusion.compress.package import write_package
from diffusion.errors import MetricUndefined
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig, TrainingConfig
from diffusion.score import onnx_latency

RECIPE = Recipe(
    DIGITS,
    config("mini_ddpm", patch_size=2),
    TrainingConfig(1),
    compression=CompressionConfig(quantization="weights8"),
    sampling=SamplingConfig(steps=3, guidance=2.0),
)


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "model.pdm"
    write_package(path, RECIPE, build_network(RECIPE.network, DIGITS))
    return path


def test_four_batches_of_100_are_drawn_with_both_halves_of_the_guidance(package, monkeypatch):
    asked = []

    def stand_in(content, threads):
        def run(noisy, sigma, labels):
            asked.append((threads, tuple(noisy.shape), sigma[0].item()))
            return torch.zeros_like(noisy)

        return run

    monkeypatch.setattr(onnx_latency, "onnx_program", lambda model, stored: b"")
    monkeypatch.setattr(onnx_latency, "in_onnxruntime", stand_in)
    assert 0 < onnx_latency.measure_onnx_latency_ms(package, threads=2) < math.inf
    assert [(threads, shape) for threads, shape, _ in asked] == 4 * 3 * [(2, (200, 1, 28, 28))]
    assert asked[0][2] == pytest.approx(80.0)
    assert asked[2][2] == pytest.approx(0.02)


@pytest.mark.slow
def test_the_exported_program_itself_is_timed(package):
    assert 0 < onnx_latency.measure_onnx_latency_ms(package, threads=1) < math.inf


def test_a_model_that_cannot_be_exported_has_no_such_latency(package, monkeypatch):
    def refuse(model, stored):
        raise ValueError("the ONNX file is off its model")

    monkeypatch.setattr(onnx_latency, "onnx_program", refuse)
    with pytest.raises(MetricUndefined, match="onnx_latency_ms has no value: the ONNX"):
        onnx_latency.measure_onnx_latency_ms(package, threads=1)
