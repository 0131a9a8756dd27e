"""A run's mirror brought into a working folder, on whatever machine goes on with it.

A folder that is as new as its mirror, or newer, stays as it is. What hashes are known of, trained
weights and model files, is checked by them where it is used.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from diffusion.errors import one_line
from diffusion.files import write_bytes
from study.run.folder import JOURNAL_NAME, SETTINGS_NAME, is_in_use
from study.run.mirror_state import MARKER, MirrorState, Stamp, read_writer
from study.run.mirrored_files import NEVER, stamp
from study.run.remote import Remote, Unreachable

AT_ONCE = 8


def fetch(remote: Remote, run_dir: Path, say: Callable[[str], None]) -> None:
    """Bring a working folder up to its mirror.

    Args:
        remote: the run's folder in the object store.
        run_dir: the working folder; it need not be there.
        say: prints a line.

    Raises:
        ValueError: there is no run, the folder is none of its copies, or both have gone on since
            they were the same.
        Unreachable: the mirror cannot be read.
    """
    there, known = remote.sizes(), MirrorState.load(run_dir)
    if known is not None and JOURNAL_NAME not in there:  # not filled yet, or emptied
        return
    if SETTINGS_NAME not in there:
        raise ValueError(f"{remote.url} is no run of a study: it has no {SETTINGS_NAME}")
    if known is None and run_dir.exists() and any(run_dir.iterdir()):
        raise ValueError(
            f"folder {run_dir} is no copy of {remote.url}; allowed: another --work-dir"
        )
    writer = read_writer(remote)
    if known is not None and writer is not None and known.writer == writer:
        return
    own, theirs = _whole_lines(run_dir), remote.read(JOURNAL_NAME) or b""
    if known is not None and len(own) > len(theirs) and own.startswith(theirs):
        MirrorState(remote.url, writer, known.files).save(run_dir)
    elif theirs.startswith(own):
        _check_idle(run_dir)
        _download(remote, run_dir, there, writer, say)
    else:
        raise ValueError(
            f"{run_dir} and {remote.url} have gone on apart; allowed: one of the two, by its "
            "folder moved away, or by another --work-dir"
        )


def _whole_lines(run_dir: Path) -> bytes:
    """Return a folder's journal without a last line that a kill tore off."""
    try:
        content = (run_dir / JOURNAL_NAME).read_bytes()
    except FileNotFoundError:
        return b""
    return content[: content.rfind(b"\n") + 1]


def _check_idle(run_dir: Path) -> None:
    if (run_dir / JOURNAL_NAME).exists() and is_in_use(run_dir):
        raise ValueError(f"run {run_dir} is in use by another process")


def _download(
    remote: Remote,
    run_dir: Path,
    there: Mapping[str, int],
    writer: str | None,
    say: Callable[[str], None],
) -> None:
    """Write all that a mirror has into the folder; the journal last, so that a kill is seen."""
    names = [name for name in there if _is_a_run_s(name)]
    say(f"fetch    {len(names):,} files of {remote.url} to {run_dir}")
    run_dir.mkdir(parents=True, exist_ok=True)
    MirrorState(remote.url).save(run_dir)

    def bring(name: str) -> tuple[str, Stamp | None]:
        content = remote.read(name)
        if content is None or len(content) != there[name]:
            found = "is missing" if content is None else f"came with {len(content):,} bytes"
            raise Unreachable(
                one_line(f"{remote.url}/{name} {found}; allowed: its {there[name]:,} bytes")
            )
        path = run_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
        return name, stamp(path)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(pool.map(bring, names))
    files = {name: known for name, known in found.items() if known is not None}
    if JOURNAL_NAME in there:
        bring(JOURNAL_NAME)
        files[JOURNAL_NAME] = (there[JOURNAL_NAME], 0)
    MirrorState(remote.url, writer, files).save(run_dir)


def _is_a_run_s(name: str) -> bool:
    """Whether an object's name is that of a file in a run's folder, and of none outside of it."""
    parts = name.split("/")
    plain = all(part and not part.startswith(".") for part in parts)
    return plain and name != MARKER and name not in NEVER
