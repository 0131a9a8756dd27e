"""The precision follows from what the hardware says that it has."""

import pytest
import torch

from diffusion.precision import hardware_precision


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"bf16": True}, "bf16"),
        ({}, "float32"),
    ],
)
def test_a_cpu_that_multiplies_bf16_is_used_so(monkeypatch, features, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert hardware_precision("cpu") == precision


@pytest.mark.parametrize(("major", "precision"), [(7, "float32"), (8, "bf16"), (9, "bf16")])
def test_gpus_from_ampere_on_are_used_so(monkeypatch, major, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (major, 0))
    assert hardware_precision("cuda") == precision
