"""The checkpoint of a training: one file, replaced as a whole, from which it goes on."""

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError

from diffusion.descent import State
from diffusion.files import write_bytes
from diffusion.train import Checkpoint
from study.files import set_aside

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
EVERY_SECONDS = 20.0
METADATA_KEY = "checkpoint"
# What a file that is torn, damaged or another's may raise.
DAMAGE = (OSError, ValueError, LookupError, TypeError, SafetensorError)


class CheckpointFile:
    """Keeps the latest checkpoint of a training, and never one of fewer steps."""

    def __init__(self, path: Path, every_seconds: float = EVERY_SECONDS) -> None:
        self._path = path
        self._every_seconds = every_seconds
        self._last = time.monotonic()
        self._kept_step = 0

    def load(self) -> Checkpoint | None:
        """Return the checkpoint; a damaged one is set aside and said."""
        if not self._path.exists():
            return None
        try:
            checkpoint = _read(self._path)
        except DAMAGE as error:
            aside = set_aside(self._path)
            logger.warning("checkpoint %s cannot be read (%s): set aside", aside, error)
            return None
        self._kept_step = checkpoint.step
        return checkpoint

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another."""
        return time.monotonic() - self._last >= self._every_seconds

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the file, aside and then renamed."""
        self._last = time.monotonic()
        if checkpoint.step <= self._kept_step:
            return
        description = {
            "format": FORMAT_VERSION,
            "step": checkpoint.step,
            "train_seconds": checkpoint.train_seconds,
            "sha256": _sha256(checkpoint.state),
        }
        metadata = {METADATA_KEY: json.dumps(description)}
        write_bytes(self._path, safetensors.torch.save(checkpoint.state, metadata))
        self._kept_step = checkpoint.step


def _read(path: Path) -> Checkpoint:
    with safetensors.safe_open(path, framework="pt") as file:
        description: dict[str, Any] = json.loads((file.metadata() or {})[METADATA_KEY])
        names = file.keys()
        state = {name: file.get_tensor(name) for name in names}
    if description["format"] != FORMAT_VERSION:
        raise ValueError(f"format {description['format']!r}; allowed: {FORMAT_VERSION}")
    if description["sha256"] != _sha256(state):
        raise ValueError("its checksum does not match")
    return Checkpoint(description["step"], description["train_seconds"], state)


def _sha256(state: State) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
