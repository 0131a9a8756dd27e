"""Files of ours are read within bounds whatever lies in their place, and locks die with us."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from diffusion.errors import LONGEST_LINE
from study.run.files import (
    LOCK,
    MOST_DEPTH,
    check_regular,
    locked,
    make_own,
    read_json,
    read_regular,
    set_aside,
    write_json,
    write_text,
)

# Holds a folder's lock until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from study.run.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_what_is_written_is_read(tmp_path: Path) -> None:
    values = {"a": [1, 2.5, None, {"b": "ü"}], "c": True}
    write_json(tmp_path / "file.json", values)
    assert read_json(tmp_path / "file.json") == values
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"file\.json"):
        read_json(tmp_path / "file.json")


IRREGULAR: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link": lambda path: path.symlink_to(__file__),
    "link to nothing": lambda path: path.symlink_to("missing"),
    "link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_neither_waited_for_nor_followed(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    IRREGULAR[kind](path)
    for read in (read_json, check_regular):
        with pytest.raises(ValueError, match=f"^{path} is no regular file; allowed: a file"):
            read(path)


def test_a_file_is_read_up_to_its_bound_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(ValueError, match=f"{path} is too long; allowed: up to 99 bytes"):
        read_regular(path, 99)


def test_a_huge_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**33)  # holes alone
    tracemalloc.start()
    with pytest.raises(ValueError, match="is too long; allowed: up to 1,048,576 bytes"):
        read_json(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("\xff" * 9_000, "is no JSON"),
        (nested(100_000), "is no JSON"),
        (nested(MOST_DEPTH + 1), f"is nested too deep; allowed: {MOST_DEPTH} levels"),
        ('{"a":' * 200 + "1" + "}" * 200, f"is nested too deep; allowed: {MOST_DEPTH} levels"),
        ("9" * 5_000, "is no JSON"),
    ],
)
def test_what_is_no_json_of_ours_is_refused_in_one_line(
    text: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(ValueError, match=why) as error:
        read_json(path)
    line = str(error.value)
    assert line.startswith(str(path))
    assert len(line.splitlines()) == 1
    assert len(line) <= LONGEST_LINE


def test_lists_within_the_bound_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(nested(MOST_DEPTH))
    assert json.dumps(read_json(path)) == nested(MOST_DEPTH)


def test_a_killed_process_lets_go_of_its_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as p:
        assert p.stdout is not None
        assert p.stdout.readline() == b"held\n"
        p.kill()
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=LOCK), locked(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_text_takes_the_place_of_what_was_in_its_file(tmp_path: Path) -> None:
    for text in ("a longer text\n", "text\n"):
        write_text(tmp_path / "file", text)
        assert (tmp_path / "file").read_text() == text


def test_a_text_for_a_fifo_is_read_by_its_reader_or_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="No such device or address"):
        write_text(fifo, "text")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(fifo, "text")
        assert os.read(reader, 99) == b"text"
    finally:
        os.close(reader)


def test_what_is_set_aside_never_replaces_what_was_set_aside(tmp_path: Path) -> None:
    (tmp_path / ".file.damaged").symlink_to("missing")
    (tmp_path / "file").write_text("damaged")
    assert set_aside(tmp_path / "file") == tmp_path / ".file.damaged1"
    assert (tmp_path / ".file.damaged1").read_text() == "damaged"


@pytest.mark.parametrize("linked", ["trials", "trials/3"])
def test_no_trial_is_written_through_a_link(tmp_path: Path, linked: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="is a link; allowed: a folder of the run's own"):
        make_own(tmp_path / "trials" / "3")
    assert list((tmp_path / "outside").iterdir()) == []
