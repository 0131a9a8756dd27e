"""The checkpoint of a training: one file, replaced as a whole, from which it goes on."""

import hashlib
import json
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError

from diffusion.checkpointing import Checkpoint
from diffusion.descent import State
from diffusion.files import write_bytes
from study.run.files import check_regular, locked, set_aside

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
MOST_STEPS = 2**63
EVERY_SECONDS = 20.0
METADATA_KEY = "checkpoint"
# What a file that is torn, damaged or another's may raise.
DAMAGE = (ValueError, LookupError, TypeError, RecursionError, SafetensorError)


class CheckpointFile:
    """Keeps the latest checkpoint of a training, and never one of fewer steps.

    Several processes that train the same may keep theirs in one file.
    """

    def __init__(self, path: Path, every_seconds: float = EVERY_SECONDS) -> None:
        self._path = path
        self._every_seconds = every_seconds
        self._last = time.monotonic()

    def load(self) -> Checkpoint | None:
        """Return the checkpoint; a damaged one is set aside and said."""
        if not os.path.lexists(self._path):
            return None
        try:
            return _read(self._path)
        except DAMAGE as error:
            aside = set_aside(self._path)
            logger.warning("checkpoint %s cannot be read (%s): set aside", aside, error)
            return None

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another."""
        return time.monotonic() - self._last >= self._every_seconds

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the file, aside and then renamed."""
        self._last = time.monotonic()
        description = {
            "format": FORMAT_VERSION,
            "step": checkpoint.step,
            "train_seconds": checkpoint.train_seconds,
            "sha256": _sha256(checkpoint.state),
        }
        metadata = {METADATA_KEY: json.dumps(description)}
        content = safetensors.torch.save(checkpoint.state, metadata)
        with locked(self._path.parent):
            if checkpoint.step > kept_step(self._path):
                write_bytes(self._path, content)


def kept_step(path: Path) -> int:
    """Return the step of the checkpoint in a file by its header; 0 where there is none."""
    try:
        check_regular(path)
        with safetensors.safe_open(path, framework="pt") as file:
            step: int = _description(file)["step"]
            return step
    except (FileNotFoundError, *DAMAGE):  # what the system cannot read for now is no damage
        return 0


def _description(file: Any) -> dict[str, Any]:
    """Return what a checkpoint's header says of it, its types checked."""
    description: dict[str, Any] = json.loads((file.metadata() or {})[METADATA_KEY])
    if description["format"] != FORMAT_VERSION:
        raise ValueError(f"format {description['format']!r}; allowed: {FORMAT_VERSION}")
    step, seconds = description["step"], description["train_seconds"]
    if type(step) is not int or not 0 <= step < MOST_STEPS:
        raise ValueError(f"step is {step!r}; allowed: a whole number, 0 or more")
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        raise ValueError(f"train_seconds is {seconds!r}; allowed: a finite number, 0 or more")
    return description


def _read(path: Path) -> Checkpoint:
    check_regular(path)
    with safetensors.safe_open(path, framework="pt") as file:
        description, names = _description(file), file.keys()
        state = {name: file.get_tensor(name) for name in names}
    if description["sha256"] != _sha256(state):
        raise ValueError("its checksum does not match")
    return Checkpoint(description["step"], description["train_seconds"], state)


def _sha256(state: State) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
