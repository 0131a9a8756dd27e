"""What a measurement holds for: the machine, the versions and the commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "numpy", "scipy", "ray", "optuna", "onnxruntime", "diffusers")
MATRIX_UNITS = ("avx512_bf16", "amx_bf16")


def machine() -> dict[str, Any]:
    """Return the processor's model, its cores, and which bf16 units it has."""
    capabilities = torch.cpu.get_capabilities()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        **{unit: bool(capabilities.get(unit)) for unit in MATRIX_UNITS},
        "system": platform.system(),
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of what takes the time; None of what is not there."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def commit() -> str:
    """Return the commit that is measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _processor() -> str:
    """Return the processor's model, which Linux alone has in a file."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    models = [value.strip() for key, value in lines.items() if key.strip() == "model name"]
    return models[0] if models else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
