"""A snapshot's folder in the store: written aside, and what of it is damaged or left over.

All that writes in a key's folder holds the key's lock.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from diffusion.config import checked, choices
from diffusion.files import write_bytes
from diffusion.recipe import Track
from study.run.files import read_regular

MOST_BYTES = 2**36
# Files and folders that were being written, here or before their writers held the lock.
LEFTOVER = re.compile(r"\.(\d+|record\.json|checkpoint[-\d]*\.safetensors)\.(?!damaged)\w+")


def file_name(track: str) -> str:
    """Return the file of an average in a snapshot's folder; of the plain weights for `none`."""
    return "weights.safetensors" if track == "none" else f"ema_{track}.safetensors"


def kept_tracks(folder: Path) -> list[Track]:
    """Return the averages that a snapshot's folder has files of."""
    return [track for track in choices(Track) if (folder / file_name(track)).is_file()]


def write_snapshot(folder: Path, tracks: Mapping[str, Mapping[str, Tensor]]) -> dict[str, str]:
    """Write a snapshot's folder aside and rename it; the key's lock is this process's.

    Args:
        folder: its place; what is there is replaced.
        tracks: for each average its weights by name.

    Returns:
        The SHA-256 of each file, by its name.
    """
    aside = folder.with_name(f".{folder.name}.new")
    try:
        aside.mkdir()
        hashes = {}
        for track, state in tracks.items():
            content = safetensors.torch.save(dict(state))  # save_file is silent of a full disk
            write_bytes(aside / file_name(track), content)
            hashes[file_name(track)] = hashlib.sha256(content).hexdigest()
        remove(folder)  # left by a training that was cut off
        aside.replace(folder)
    finally:
        remove(aside)
    return hashes


def is_whole(folder: Path, name: str, known: Any) -> bool:
    """Whether a snapshot's file is what was written; a link is none of ours.

    Args:
        folder: of the snapshot.
        name: of the file.
        known: the snapshot's line of the record, which may be damaged too.
    """
    try:
        sha256 = checked("sha256", known["sha256"], dict[str, str])[name]
        seconds = checked("train_seconds", known["train_seconds"], float)
        content = read_regular(folder / name, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
        return False
    found = hashlib.sha256(content).hexdigest()
    return not folder.is_symlink() and seconds >= 0 and found == sha256


def clear(key_folder: Path) -> None:
    """Remove what killed writers left; the key's lock is this process's, so none of them lives."""
    for path in key_folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it; what is missing stays so."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
