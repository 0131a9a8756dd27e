"""What a run's folder knows of its mirror, and what the mirror says of who wrote it last.

RUN/.mirror.json    its URL, its last writer, and the files that are there as they are here
URL/mirror.json     its last writer: each driver writes a name of its own, so that it sees another
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from diffusion.config import checked
from diffusion.errors import one_line
from study.run.files import MEGABYTE, parse_json, read_json, write_json
from study.run.remote import Remote

STATE, MARKER = ".mirror.json", "mirror.json"
MOST_BYTES = 256 * MEGABYTE
FORMAT_VERSION = 1
Stamp = tuple[int, int]  # A file's bytes, and when it was written, in nanoseconds.


@dataclass(frozen=True)
class MirrorState:
    """What a run's folder knows of its mirror.

    Attributes:
        writer: of the mirror's last driver that this folder has all of; None before.
        files: that the mirror has, by their paths, as they were here.
    """

    url: str
    writer: str | None = None
    files: dict[str, Stamp] = field(default_factory=dict)

    @classmethod
    def load(cls, run_dir: Path) -> Self | None:
        """Read what a folder knows; None where it has no mirror.

        Raises:
            ValueError: the file is damaged.
        """
        path = run_dir / STATE
        try:
            values = read_json(path, MOST_BYTES)
            _check_format(values)
            files = checked("files", values["files"], dict[str, tuple[int, ...]])
            return cls(
                Remote.parse(checked("url", values["url"], str)).url,
                checked("writer", values["writer"], str | None),
                {name: (size, time) for name, (size, time) in files.items()},
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ValueError(
                one_line(f"{path} is not as we write it ({error}); delete it to go on unmirrored")
            ) from error

    def save(self, run_dir: Path) -> None:
        """Write the file, aside and then renamed."""
        write_json(run_dir / STATE, {"format": FORMAT_VERSION, **asdict(self)})


def known_remote(run_dir: Path) -> Remote | None:
    """Return a run's mirror; None where it has none."""
    state = MirrorState.load(run_dir)
    return None if state is None else Remote(state.url)


def read_writer(remote: Remote) -> str | None:
    """Return who wrote a mirror last; None where nobody said.

    Raises:
        ValueError: the mirror is of another version.
    """
    content = remote.read(MARKER)
    if content is None:
        return None
    where = f"{remote.url}/{MARKER}"
    try:
        values = parse_json(content, where)
        _check_format(values)
        writer: str = checked("writer", values["writer"], str)
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(one_line(f"{where} is not as we write it ({error})")) from error
    return writer


def write_writer(remote: Remote, writer: str, *, new: bool) -> None:
    """Say who writes a mirror from now on.

    Args:
        new: whether nobody may have done so yet.

    Raises:
        FileExistsError: somebody has.
    """
    content = json.dumps({"format": FORMAT_VERSION, "writer": writer}) + "\n"
    remote.write(MARKER, content.encode(), new=new)


def _check_format(values: Mapping[str, object]) -> None:
    found = values["format"]
    if found != FORMAT_VERSION:
        raise ValueError(f"format is {found!r}; allowed: {FORMAT_VERSION}")
