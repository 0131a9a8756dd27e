"""A working folder with a bit of everything in it, and its mirror in a folder by file://."""

from pathlib import Path

from study.run.mirror import Mirror
from study.run.mirror_state import STATE
from study.run.remote import Remote

LINE = b'{"op_code": 0}\n'
# What is mirrored while the run is worked on and trial 0 has ended, and what only at its end.
FINISHED = {
    "run.json": b"{}",
    "trials/0/model.pdm": b"model",
    "trials/0/scores.json": b"{}",
    "backbones/store.json": b"{}",
    "backbones/ab/100/weights.safetensors": b"weights",
    "backbones/ab/record.json": b'{"snapshots": {}}',
}
REST = {
    "trials/1/recipe.json": b"{}",
    "backbones/ab/checkpoint.safetensors": b"steps",
    "backbones/cd/checkpoint-200.safetensors": b"steps",
    "report.html": b"page",
    "front/front.json": b"{}",
    "front/01-0/model.pdm": b"model",
}
NEVER = {".mark": b"m", "backbones/ab/.100.new": b"n", "study.journal.lock": b"", ".tune/a": b"t"}


def working_folder(folder: Path) -> Path:
    """Write one whose journal has two lines."""
    write(folder, {**FINISHED, **REST, **NEVER, "study.journal": 2 * LINE})
    (folder / "trials" / "0" / "link.json").symlink_to(folder / "run.json")
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(folder: Path, *, hidden: bool = False) -> dict[str, bytes]:
    """Return all files of a folder, but for links and what a mirror keeps for itself."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    own = {STATE, "mirror.json", *(() if hidden else NEVER)}
    return {name: content for name, content in found.items() if name not in own}


def mirror_of(folder: Path, store: Path, said: list[str] | None = None) -> Mirror:
    """Return a mirror of a folder whose trial 0 has ended; it is yet to begin."""
    mirror = Mirror(folder, Remote(f"file://{store}"), [].append if said is None else said.append)
    mirror.note_ended([0])
    return mirror


def mirrored(folder: Path, store: Path) -> None:
    """Write a working folder and all of its mirror."""
    mirror = mirror_of(working_folder(folder), store)
    mirror.begin(new=True)
    mirror.end()
    assert mirror.complete
