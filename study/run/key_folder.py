"""A training's folder in the store, by its key: a record, and the weights after so many images.

Nothing in it is read through a link. What is damaged is set aside, and said.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from diffusion.errors import DataUnavailable
from study.run.files import MEGABYTE, locked, read_json, set_aside, write_json
from study.run.snapshots import clear, file_name, is_whole, write_snapshot

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
RECORD, CHECKPOINT = "record.json", "checkpoint.safetensors"
MOST_RECORD_BYTES = 16 * MEGABYTE


class SnapshotUnavailable(DataUnavailable):
    """A snapshot that has to be there is missing or damaged; who needs it can but wait for it."""


class _Damaged(Exception):
    """A file or folder of the store that is not what was written, and how to say so."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


class KeyFolder:
    """The folder of one training; several processes may read and write it."""

    def __init__(
        self,
        path: Path,
        what: str,
        new_record: Callable[[], dict[str, Any]],
        is_sound: Callable[[Path, dict[str, Any]], bool] = lambda file, line: True,
    ) -> None:
        """Name the folder; it need not be there.

        Args:
            path: ends with the key.
            what: is kept in it, for messages.
            new_record: of a training of which nothing is kept yet.
            is_sound: whether a whole file and its line of the record go together.

        Raises:
            DataUnavailable: it is a link.
        """
        if path.is_symlink():
            raise DataUnavailable(f"{what} folder {path} is a link; allowed: a folder")
        self.path = path
        self._what, self._new_record, self._is_sound = what, new_record, is_sound

    def find(self, images: int, track: str) -> dict[str, Any] | None:
        """Return the record's line of a snapshot whose file is there and whole, or None.

        One whose file is not what the record says was written is set aside, and said.
        """
        try:
            return self._find(images, track)
        except _Damaged:
            with locked(self.path):  # a writer may just have been replacing it
                return self._find_or_set_aside(images, track)

    def require(self, images: int, track: str) -> dict[str, Any]:
        """Return the record's line of a snapshot that has to be there; nothing is set aside.

        Raises:
            SnapshotUnavailable: it is missing, or not what was written.
        """
        try:
            try:
                line = self._find(images, track)
            except _Damaged:
                with locked(self.path):  # a writer may just have been replacing it
                    line = self._find(images, track)
        except _Damaged as damaged:
            raise self._unavailable(images, f"is damaged ({damaged.path.name})") from damaged
        if line is None:
            raise self._unavailable(images, "is missing")
        return line

    def record(self) -> dict[str, Any]:
        """Return what is known of the training; the lock is this process's."""
        try:
            return self._read_record()
        except _Damaged as damaged:
            self._set_aside(damaged)
            return self._new_record()

    def write(
        self, images: int, tracks: Mapping[str, Mapping[str, Tensor]], line: Mapping[str, Any]
    ) -> None:
        """Write a snapshot aside and rename it, then its line of the record, under the lock.

        One that another process wrote first stays: it holds the same.
        """
        with locked(self.path):
            clear(self.path)
            if self._all_there(images, tracks):
                return
            hashes = write_snapshot(self.path / str(images), tracks)
            record = self._read_record()
            record["snapshots"][str(images)] = {**line, "sha256": hashes}
            write_json(self.path / RECORD, record)

    def _all_there(self, images: int, tracks: Iterable[str]) -> bool:
        return all(self._find_or_set_aside(images, track) is not None for track in tracks)

    def _find(self, images: int, track: str) -> dict[str, Any] | None:
        folder = self.path / str(images)
        line: dict[str, Any] | None = self._read_record()["snapshots"].get(folder.name)
        if line is None or not os.path.lexists(folder):
            # None: cut off between the snapshot and its line of the record.
            return None
        name = file_name(track)
        if not is_whole(folder, name, line) or not self._is_sound(folder / name, line):
            message = f"{self._what} %s is damaged ({name}): set aside, trained anew"
            raise _Damaged(folder, message)
        return line

    def _find_or_set_aside(self, images: int, track: str) -> dict[str, Any] | None:
        """Find a snapshot under the lock, so that nobody else replaces what is damaged."""
        try:
            return self._find(images, track)
        except _Damaged as damaged:
            self._set_aside(damaged)
            return None

    def _unavailable(self, images: int, why: str) -> SnapshotUnavailable:
        return SnapshotUnavailable(
            f"{self._what} {self.path.name}: its snapshot after {images:,} images {why} in store "
            f"{self.path.parent}; allowed: the one that the run began with, which trains none"
        )

    def _set_aside(self, damaged: _Damaged) -> None:
        logger.warning(damaged.message, set_aside(damaged.path))

    def _read_record(self) -> dict[str, Any]:
        path = self.path / RECORD
        try:
            record: dict[str, Any] = read_json(path, MOST_RECORD_BYTES)
            if record["format"] != FORMAT_VERSION or not isinstance(record["snapshots"], dict):
                raise ValueError(f"format {record['format']!r}; allowed: {FORMAT_VERSION}")
        except FileNotFoundError:
            return self._new_record()
        except (ValueError, LookupError, TypeError) as error:
            message = f"record %s cannot be read ({str(error).replace('%', '%%')}): set aside"
            raise _Damaged(path, message) from error
        return record
