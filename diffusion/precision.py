"""In which precision hardware is quickest: known from what it has, never by timing."""

import torch

from diffusion.recipe import Precision

BF16_CPU_FEATURES = ("avx512_bf16", "amx_bf16", "bf16")  # of Intel and AMD, and of ARM
BF16_CUDA_CAPABILITY = 8  # Ampere


def hardware_precision(device: str) -> Precision:
    """Return bf16 where this machine multiplies it in hardware, else float32.

    Args:
        device: that is computed on, "cpu" or "cuda".
    """
    if device == "cuda":
        major, _ = torch.cuda.get_device_capability()
        return "bf16" if major >= BF16_CUDA_CAPABILITY else "float32"
    features = torch.cpu.get_capabilities()
    return "bf16" if any(features.get(name) for name in BF16_CPU_FEATURES) else "float32"
