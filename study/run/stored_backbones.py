"""The trained backbones that a store holds, found once for a study that compresses them.

Nothing in the store is changed. What cannot be used is left out, and said.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusion.config import choices
from diffusion.errors import one_line
from diffusion.recipe import DataConfig, NetworkConfig, Track, TrainingConfig
from search_spaces.stored import StoredBackbone
from study.run.backbones import BackboneStore
from study.run.files import read_json
from study.run.key_folder import MOST_RECORD_BYTES, RECORD
from study.run.snapshots import file_name, is_whole
from study.run.stores import KEY

logger = logging.getLogger(__name__)
MOST_BACKBONES = 200  # They have to fit into a run's settings.
# What values of other types than those that were written may raise.
WRONG = (ValueError, LookupError, TypeError, AttributeError)


class _Unusable(Exception):
    """A backbone that is not to be compressed, and why."""


def find_backbones(
    store: Path, data: DataConfig, wanted: Sequence[str] = (), train_images: int | None = None
) -> tuple[StoredBackbone, ...]:
    """Return the backbones of a store that were trained on the data, each with one snapshot.

    Args:
        store: a folder that may be a store.
        data: that their models are for.
        wanted: beginnings of their keys; none stands for all that can be used.
        train_images: of the snapshots; None takes each backbone's longest whole one.

    Raises:
        ValueError: there is none, or one that is wanted is not there or cannot be used.
    """
    records = _records(store)
    if not records:
        raise ValueError(
            f"store {store} holds no trained backbone; allowed: one that a study left, like "
            "runs/quick-001/backbones"
        )
    keys = dict.fromkeys(_key(store, prefix, list(records)) for prefix in wanted) or records
    usable, left_out = [], {}
    for key in keys:
        try:
            usable.append(_backbone(store / key, records[key], data, train_images))
        except _Unusable as why:
            left_out[key] = str(why)
    _say(store, left_out, refuse=bool(wanted) or not usable)
    if len(usable) > MOST_BACKBONES:
        raise ValueError(
            f"store {store} holds {len(usable)} backbones; allowed: up to {MOST_BACKBONES}, "
            "named by --backbone"
        )
    return tuple(usable)


def check_backbones(store: Path, backbones: Iterable[StoredBackbone], data: DataConfig) -> None:
    """Refuse to go on where a snapshot is not in the store any more.

    Raises:
        SnapshotUnavailable: one is missing or damaged.
    """
    for backbone in backbones:
        for recipe in backbone.recipes(data):
            BackboneStore(store).require(recipe)


def _records(store: Path) -> dict[str, dict[str, Any] | str]:
    """Return the record of each backbone by its key, or why it cannot be read."""
    folders = sorted(store.iterdir()) if store.is_dir() else []
    records: dict[str, dict[str, Any] | str] = {}
    for folder in folders:
        if not KEY.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        try:
            record = read_json(folder / RECORD, MOST_RECORD_BYTES)
        except FileNotFoundError:  # in training for the first time
            continue
        except (OSError, ValueError) as error:
            records[folder.name] = f"its record cannot be read: {error}"
            continue
        if not isinstance(record, dict):
            records[folder.name] = "its record is damaged"
        elif "what" not in record:  # which a cool-down's has
            records[folder.name] = record
    return records


def _key(store: Path, prefix: str, keys: Sequence[str]) -> str:
    """Return the only key that begins so."""
    found = [key for key in keys if key.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    meant = f"the beginning of {len(found)} keys" if found else "no key's beginning"
    raise ValueError(
        f"--backbone is {prefix!r}, {meant} in store {store}; allowed: one of "
        f"{', '.join(found or keys)}"
    )


def _backbone(
    folder: Path, record: dict[str, Any] | str, data: DataConfig, train_images: int | None
) -> StoredBackbone:
    """Return a backbone that can be compressed."""
    if isinstance(record, str):
        raise _Unusable(record)
    try:
        trained_on = DataConfig.from_dict(record["data"])
        if trained_on != data:
            raise _Unusable(f"of data {trained_on.name!r} {trained_on.fingerprint}")
        images, tracks = _snapshot(folder, record["snapshots"], train_images)
        backbone = StoredBackbone(
            folder.name,
            NetworkConfig.from_dict(record["network"]),
            TrainingConfig.from_dict({**record["training"], "train_images": images}),
            tracks,
        )
        if backbone.recipes(data)[0].backbone_key != folder.name:
            raise _Unusable("its record is another training's")
    except WRONG as error:
        raise _Unusable(f"its record is damaged: {error}") from error
    return backbone


def _snapshot(
    folder: Path, lines: Mapping[str, Any], train_images: int | None
) -> tuple[int, tuple[Track, ...]]:
    """Return the length of the longest whole snapshot, or of the one asked for, and its tracks."""
    kept = sorted(int(name) for name in lines if re.fullmatch(r"[1-9]\d{0,17}", name))
    asked = kept if train_images is None else [n for n in kept if n == train_images]
    if not asked:
        lengths = ", ".join(f"{images:,}" for images in kept) or "none"
        raise _Unusable(f"no snapshot of {train_images or 'any'} images, but of {lengths}")
    for images in reversed(asked):
        line = lines[str(images)]
        tracks = tuple(track for track in choices(Track) if file_name(track) in line["sha256"])
        path = folder / str(images)
        if tracks and all(is_whole(path, file_name(track), line) for track in tracks):
            return images, tracks
        logger.warning(one_line(f"snapshot {path} is missing or damaged: passed over"))
    raise _Unusable("no whole snapshot")


def _say(store: Path, left_out: Mapping[str, str], *, refuse: bool) -> None:
    """Say which backbones cannot be used, as an error where they have to be."""
    if not left_out:
        return
    reasons = ", ".join(f"{key} ({why})" for key, why in left_out.items())
    if refuse:
        raise ValueError(
            f"no model can be made of backbones in store {store}: {reasons}; allowed: such as "
            "were trained on the data set, with a whole snapshot"
        )
    logger.warning(one_line(f"{len(left_out)} left out of store {store}: {reasons}"))
