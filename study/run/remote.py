"""A folder in an object store, by a URL that fsspec opens: s3://, gs://, file:// and others.

Nothing in it is locked or renamed; an object appears as a whole. What a URL must not hold is a
user, a password or a token: it is written down and printed.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from diffusion.errors import one_line
from diffusion.files import write_bytes

WAITS_SECONDS = (0.5, 2.0)  # before a write is tried again
EXTRAS = {"s3": "s3", "s3a": "s3"}  # of ours, by the protocols that they open
ALLOWED = "allowed: like s3://BUCKET/FOLDER, with credentials from the environment alone"
_PARTS = re.compile(r"([a-z][a-z0-9+]*)://([^?#@]+)")


class Unreachable(OSError):
    """What was asked of an object store failed."""


def is_url(text: str) -> bool:
    """Whether a text names a place by a protocol, and no folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


@dataclass(frozen=True)
class Remote:
    """A folder in an object store.

    Attributes:
        url: without a slash at its end.
    """

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the folder that a URL names; nothing is asked of it yet.

        Raises:
            ValueError: it is none, or has what must not be written down; that is not shown.
        """
        match = _PARTS.fullmatch(text.rstrip("/"))
        if match is None or not text.isprintable():
            shown = one_line(re.split("[?#]", text.rpartition("@")[2])[0], 60)
            raise ValueError(f"a URL ends with {shown!r}; {ALLOWED}; no user, no ? and no #")
        if match[1] == "memory" or "::" in text:
            raise ValueError(f"{one_line(text, 60)!r} outlives no process; {ALLOWED}")
        return cls(text.rstrip("/"))

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self.url}/{name}")

    def names(self) -> list[str]:
        """Return what lies in the folder, without what lies deeper; none where it is missing."""
        files, root = self._opened
        with self._asking():
            files.invalidate_cache()
            try:
                paths = files.ls(root, detail=False)
            except FileNotFoundError:
                return []
        return [path.rstrip("/").rpartition("/")[2] for path in paths]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, by its path from the folder on."""
        files, root = self._opened
        with self._asking():
            files.invalidate_cache()
            found = files.find(root, detail=True)
        return {
            path.removeprefix(f"{root}/"): int(info["size"])
            for path, info in found.items()
            if info.get("type") == "file" and not path.endswith("/")
        }

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where it is missing."""
        files, root = self._opened
        with self._asking():
            try:
                content: bytes = files.cat_file(f"{root}/{name}")
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes, *, new: bool = False) -> None:
        """Write a file, after a while again where that fails.

        Args:
            name: its path from the folder on.
            new: whether it must not be there yet.

        Raises:
            FileExistsError: it is there, and must not be.
            Unreachable: it cannot be written.
        """
        for wait in (*WAITS_SECONDS, None):
            try:
                self._write(name, content, new)
                return
            except Unreachable:
                if wait is None:
                    raise
                time.sleep(wait)

    def remove(self, name: str) -> None:
        """Remove a file; one that is missing is no error."""
        files, root = self._opened
        with self._asking():
            try:
                files.rm_file(f"{root}/{name}")
            except FileNotFoundError:
                return

    def _write(self, name: str, content: bytes, new: bool) -> None:
        files, root = self._opened
        path = f"{root}/{name}"
        with self._asking():
            from fsspec.implementations.local import LocalFileSystem

            if isinstance(files, LocalFileSystem):
                _write_local(Path(path), content, new)
            else:
                files.pipe_file(path, content, **({"mode": "create"} if new else {}))

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the folder's path in it."""
        import fsspec  # takes a quarter of a command's --help

        protocol = self.url.partition(":")[0]
        try:
            files, root = fsspec.url_to_fs(self.url)
        except ImportError as error:
            extra = EXTRAS.get(protocol)
            how = f"pip install 'paretodiff[{extra}]'" if extra else one_line(error)
            raise ValueError(f"{self.url} needs a package that is not installed: {how}") from error
        except Exception as error:  # each file system has its own
            raise ValueError(one_line(f"{self.url} cannot be opened: {error}")) from error
        return files, root

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Say what went wrong with the URL; each file system has errors of its own."""
        try:
            yield
        except FileExistsError:
            raise
        except Exception as error:
            reason = one_line(error) or "no reason given"
            raise Unreachable(one_line(f"{self.url}: {type(error).__name__}: {reason}")) from error


def _write_local(path: Path, content: bytes, new: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{path.parent} is a file") from error
    if new and path.exists():
        raise FileExistsError(path)
    write_bytes(path, content)
