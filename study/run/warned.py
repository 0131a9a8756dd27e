"""What a run's trials were warned of, each text once, as a file in its folder."""

from pathlib import Path

from diffusion.config import checked
from diffusion.errors import one_line
from study.run.files import read_json, write_json

WARNINGS_NAME = "warnings.json"
MOST = 100  # texts; a warning that differs from trial to trial fills no disk
AND_OTHERS = "and others, which are not kept"


def read_warnings(run_dir: Path) -> tuple[str, ...]:
    """Return what a run's trials were warned of; that it cannot be read is a warning, too."""
    try:
        return _read(run_dir)
    except (OSError, ValueError) as error:
        return (one_line(f"its warnings cannot be read: {error}"),)


def keep_warning(run_dir: Path, text: str) -> None:
    """Keep what a trial was warned of, unless it is there already.

    Raises:
        ValueError: the file is damaged, which stays as it is.
        OSError: the file cannot be read or written.
    """
    known, text = _read(run_dir), one_line(text)
    if text not in known and len(known) < MOST:
        last = text if len(known) < MOST - 1 else AND_OTHERS
        write_json(run_dir / WARNINGS_NAME, [*known, last])


def _read(run_dir: Path) -> tuple[str, ...]:
    try:
        values = read_json(run_dir / WARNINGS_NAME)
    except FileNotFoundError:
        return ()
    texts: tuple[str, ...] = checked(WARNINGS_NAME, values, tuple[str, ...])
    return tuple(map(one_line, texts))
