"""What a run's trials were warned of, each text once, as a file in its folder."""

from pathlib import Path

from diffusion.config import checked
from diffusion.errors import one_line
from study.run.files import read_json, write_json

WARNINGS_NAME = "warnings.json"
MOST = 100  # texts; a warning that differs from trial to trial fills no disk


def read_warnings(run_dir: Path) -> tuple[str, ...]:
    """Return what a run's trials were warned of; that it cannot be read is a warning, too."""
    try:
        values = read_json(run_dir / WARNINGS_NAME)
        texts: tuple[str, ...] = checked(WARNINGS_NAME, values, tuple[str, ...])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        return (one_line(f"its warnings cannot be read: {error}"),)
    return tuple(map(one_line, texts))


def keep_warning(run_dir: Path, text: str) -> None:
    """Keep what a trial was warned of, unless it is there already.

    Raises:
        OSError: the file cannot be written.
    """
    known = read_warnings(run_dir)
    if one_line(text) not in known and len(known) < MOST:
        write_json(run_dir / WARNINGS_NAME, [*known, one_line(text)])
