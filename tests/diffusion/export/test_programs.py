"""Exported denoisers equal the model, and draw the same images without torch."""

import io
import json
import subprocess
import sys
import tokenize
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from diffusion.compress.package import read_package, read_stored, write_package
from diffusion.export import program
from diffusion.export.onnx import check_installed, onnx_program, sampler_script, sampling_facts
from diffusion.export.program import check_program, example, float32_denoiser
from diffusion.export.torch_program import torch_program
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)

DATA = DataConfig("mnist", 28, 1, 10, "0")
UNIFORM = CompressionConfig(quantization="uniform", quantization_step=1.0)
SAMPLING = SamplingConfig(steps=4, guidance=2.5, guidance_sigma_min=0.3)
RECIPES = {
    "mini_ddpm, bf16": Recipe(
        DATA,
        NetworkConfig("mini_ddpm", (8, 16), patch_size=2),
        TrainingConfig(1, precision="bf16", standardize=True),
        compression=UNIFORM,
        sampling=SAMPLING,
    ),
    "ncsn, groups": Recipe(
        DATA,
        NetworkConfig("ncsn", (8, 16, 16, 16), groups=2),
        TrainingConfig(1, formulation="score_matching"),
        compression=CompressionConfig(quantization="weights8"),
        sampling=SAMPLING,
    ),
    "ddpm, colour": Recipe(
        replace(DATA, image_size=16, channels=3),
        NetworkConfig("ddpm", (8,)),
        TrainingConfig(1, formulation="noise_prediction"),
        compression=CompressionConfig(quantization="linear4"),
        sampling=replace(SAMPLING, schedule="uniform"),
    ),
    "without labels": Recipe(
        DATA,
        NetworkConfig("mini_ddpm", (8, 16), patch_size=2, conditional=False),
        TrainingConfig(1),
        sampling=replace(SAMPLING, guidance=1.0),
    ),
}


def packaged(recipe: Recipe, path: Path) -> DiffusionModel:
    """Return a model as read from its package, whose weights are as if trained."""
    network = build_network(recipe.network, recipe.data)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.05 * torch.randn(values.shape, generator=generator))
    write_package(path, recipe, network)
    return read_package(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_images_drawn_from_the_onnx_file_without_torch_are_the_model_s(
    name: str, tmp_path: Path
) -> None:
    model = packaged(RECIPES[name], tmp_path / "model.pdm")
    stored = read_stored(tmp_path / "model.pdm")
    (tmp_path / "model.onnx").write_bytes(onnx_program(model, stored))
    (tmp_path / "sample_onnx.py").write_bytes(sampler_script())
    code = "import sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; import runpy; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    script = str(tmp_path / "sample_onnx.py")
    subprocess.run([sys.executable, "-I", "-c", code, script, "6", "3"], check=True, cwd="/")
    found = np.load(tmp_path / "images.npy", allow_pickle=False)
    data = model.recipe.data
    shape = (6, data.channels, data.image_size, data.image_size)
    noise = np.random.default_rng(3).standard_normal(shape, np.float32)
    expected = drawn_by(model, torch.from_numpy(noise)).numpy()
    off = np.abs(found.astype(int) - expected.astype(int))
    assert off.max() <= 1, "a grey level, where rounding falls the other way"
    assert (off > 0).mean() < 0.01
    assert (tmp_path / "grid.ppm").read_bytes().startswith(b"P5" if data.channels == 1 else b"P6")


def test_the_shipped_sampler_has_no_more_than_thirty_lines_of_code() -> None:
    script = sampler_script()
    assert code_lines(b'"""Two\nlines."""\n\n# why\nx = (\n    1,\n)\n') == 3
    assert code_lines(script) <= 30
    assert max(map(len, script.splitlines())) <= 99
    assert b";" not in script


def code_lines(script: bytes) -> int:
    """Return how many lines hold code, beside the docstring, comments and blank lines."""
    skipped = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}
    skipped |= {tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [t for t in tokenize.tokenize(io.BytesIO(script).readline) if t.type not in skipped]
    assert tokens[0].type == tokenize.STRING, "the docstring"
    return len({line for t in tokens[1:] for line in range(t.start[0], t.end[0] + 1)})


def drawn_by(model: DiffusionModel, noise: torch.Tensor) -> torch.Tensor:
    """Return what a model draws of this noise, in float32."""
    training = replace(model.recipe.training, precision="float32")
    exact = DiffusionModel(replace(model.recipe, training=training), model.network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *args, **named: noise)
        return exact.generate(torch.arange(6))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mini_ddpm, bf16", "ncsn, groups", "ddpm, colour"])
def test_every_low_bit_weight_of_the_package_is_low_bit_in_the_onnx_file(
    name: str, tmp_path: Path
) -> None:
    model = packaged(RECIPES[name], tmp_path / "model.pdm")
    stored = read_stored(tmp_path / "model.pdm")
    content = onnx_program(model, stored)
    initializers = {i.name: i for i in onnx.load_from_string(content).graph.initializer}
    low_bit = {n for n, value in stored.items() if not isinstance(value, torch.Tensor)}
    assert low_bit
    for weight in low_bit:
        assert f"network.{weight}" not in initializers
    floats = [i for i in initializers.values() if i.data_type == onnx.TensorProto.FLOAT]
    whole = sum(value.numel() for value in model.network.parameters())
    assert (
        sum(int(np.prod(i.dims)) for i in floats)
        < whole - sum(int(np.prod(stored[weight].shape)) for weight in low_bit) + 0.1 * whole
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_torch_program_equals_its_model_at_any_batch(name: str, tmp_path: Path) -> None:
    model = packaged(RECIPES[name], tmp_path / "model.pdm")
    loaded = torch.export.load(io.BytesIO(torch_program(model))).module()
    denoiser = float32_denoiser(model)
    inputs = example(denoiser, 5)
    torch.testing.assert_close(loaded(*inputs), denoiser(*inputs), atol=1e-4, rtol=1e-5)


def test_the_batches_that_are_checked_hold_hidden_labels_and_all_noise_levels(
    tmp_path: Path,
) -> None:
    denoiser = float32_denoiser(packaged(RECIPES["mini_ddpm, bf16"], tmp_path / "model.pdm"))
    assert denoiser.training_config.precision == "float32"
    _, sigma, labels = example(denoiser, max(program.CHECKED_BATCHES))
    assert 10 in labels
    assert (int(labels.min()), int(labels.max())) == (0, 10)
    assert sigma[0] == pytest.approx(denoiser.sigma_min)
    assert sigma[-1] == pytest.approx(denoiser.sigma_max)


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_what_is_missing_is_named_with_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"{name} is missing; .*paretodiff\[onnx\]"):
        check_installed()


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_a_program_that_differs_from_its_model_is_not_kept(wrong: float, tmp_path: Path) -> None:
    denoiser = float32_denoiser(packaged(RECIPES["mini_ddpm, bf16"], tmp_path / "model.pdm"))

    def off(noisy: Any, sigma: Any, labels: Any) -> Any:
        return denoiser(noisy, sigma, labels) + wrong * (1 + sigma[:, None, None, None])

    with pytest.raises(ValueError, match=r"the file is .* off its model.*; it is not kept"):
        check_program(denoiser, off, "the file")
    check_program(denoiser, denoiser, "itself")


def test_a_sampler_s_facts_name_the_pixels_of_the_range_that_a_denoiser_works_in(
    tmp_path: Path,
) -> None:
    for name, black, white in (("mini_ddpm, bf16", -1, 1), ("ncsn, groups", 0, 1)):
        model = packaged(RECIPES[name], tmp_path / "model.pdm")
        facts = json.loads(json.dumps(sampling_facts(model, float32_denoiser(model))))
        assert black * facts["scale"] + facts["offset"] == pytest.approx(0)
        assert white * facts["scale"] + facts["offset"] == pytest.approx(255)
        assert facts["sigmas"] == sorted(facts["sigmas"], reverse=True)
        assert facts["sigmas"][-1] == 0
