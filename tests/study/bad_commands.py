"""Command lines with wrong values, run one after another within bounds.

`python bad_commands.py FOLDER` needs the folder's `model.pdm`, `recipe.json`, `run` and `data`,
and writes to its `results.json` how each ended.
"""

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

from bounds import KILOBYTE, TookTooLong, at_most

from study import (
    describe,
    export,
    generate,
    pick,
    record,
    report,
    search,
    tables,
    train_extractor,
    verify,
)
from study.cli.parser import run_command
from study.cluster.resources import Resources

SECONDS = 60  # A case takes one or two; a busy machine some more.
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "describe": describe.main,
    "export": export.main,
    "generate": generate.main,
    "pick": pick.main,
    "record": record.main,
    "report": report.main,
    "search": search.main,
    "tables": tables.main,
    "train_extractor": train_extractor.main,
    "verify": verify.main,
}
NUMBERS = ("1e308", "-1", "nan", "10000000000", "9" * 5_000, "1e-320", "", "[/b]", "a\nb")
FIELDS = ("num_classes", "image_size", "channels")
HUGE = ("1000000000", "1000000", "1e308", "-1", "null", "[" * 100_000, '"x"', str(10**400))
Case = tuple[str, ...]


def make_odd_paths(odd: Path) -> list[str]:
    """Make what may lie in a file's place; return the paths."""
    odd.mkdir()
    os.mkfifo(odd / "fifo")
    (odd / "folder").mkdir()
    (odd / "zero").symlink_to("/dev/zero")
    (odd / "full").symlink_to("/dev/full")
    (odd / "loop").symlink_to("loop")
    (odd / "brackets").write_text("[" * 200_000)
    (odd / "empty").touch()
    (odd / "long").touch()
    os.truncate(odd / "long", 2**40)  # a hole: it takes no disk
    (odd / "secret").touch(mode=0o000)
    (odd / "[red]\n\x1b[31mname").write_bytes(b"\xff\xfe\0")
    (odd / os.fsdecode(b"\xff\xfe")).write_bytes(b"PK\3\4")
    return [str(path) for path in sorted(odd.iterdir())] + [str(odd / ("n" * 300)), ""]


def with_suffix(paths: list[str], suffix: str) -> list[str]:
    """Give each path another name that ends so, and leads to the same."""
    named = []
    for path in paths:
        name = f"{path}{suffix}"
        if path and os.path.lexists(path) and not os.path.lexists(name):
            os.symlink(path, name)
        named.append(name)
    return named


def cases(folder: Path) -> Iterator[Case]:
    """Yield the command lines."""
    odd = make_odd_paths(folder / "odd")
    for make in (describe_cases, export_cases, generate_cases, run_cases):
        yield from make(folder, odd)
    for make in (search_cases, extractor_cases):
        yield from make(folder, odd)


def describe_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield recipes that are none, fields beyond all bounds, and files that cannot be written."""
    recipe = str(folder / "recipe.json")
    yield from (("describe", path) for path in with_suffix(odd, ".json"))
    changes = [f"data.{field}={value}" for field in FIELDS for value in HUGE]
    changes += ["network.widths=[1000000000]", "network.widths=[]", f"network.groups={10**9}"]
    yield from (("describe", recipe, "--set", change) for change in changes)
    outs = make_odd_paths(folder / "recipes out")
    yield from (("describe", recipe, "--recipe-out", path) for path in outs)


def generate_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield models that are none, files that cannot be written, and wrong numbers."""
    model, out = str(folder / "model.pdm"), str(folder / "out.npz")
    yield from (("generate", path, "--out", out) for path in odd)
    outs = with_suffix(make_odd_paths(folder / "pictures out"), ".png")
    yield from (("generate", model, "-n", "1", "--out", path) for path in outs)
    interval = ("--guidance-sigma-min", "--guidance-sigma-max")
    for option in ("-n", "--steps", "--guidance", *interval, "--label", "--seed", "--device"):
        yield from (("generate", model, "--out", out, option, number) for number in NUMBERS)


def export_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield models that are none, folders that cannot be made, and what is no licence."""
    model, new = str(folder / "model.pdm"), str(folder / "hub")
    yield from (("export", path, "--to", new, "--license", "mit") for path in odd)
    outs = make_odd_paths(folder / "exports out")
    yield from (("export", model, "--to", path, "--license", "mit") for path in outs)
    yield from (("export", model, "--to", new, "--license", number) for number in NUMBERS)


def run_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield runs that are none to the commands that read one, and what is wrong with theirs."""
    run = str(folder / "run")
    yield from (
        (command, path)
        for command in ("pick", "record", "report", "tables", "verify")
        for path in odd
    )
    outs = with_suffix(make_odd_paths(folder / "records out"), ".json")
    yield from (("record", run, "--out", path) for path in outs)
    outs = make_odd_paths(folder / "tables out")
    yield from (("tables", run, "--out", path) for path in outs)
    for option in ("--max-fid", "--max-bytes", "--max", "--min", "--objective"):
        yield from (("pick", run, option, number) for number in NUMBERS)
    outs = with_suffix(make_odd_paths(folder / "plots out"), ".svg")
    yield from (("report", run, "--plot", path) for path in outs)
    for option in ("--images", "--seeds", "--replicates"):
        yield from (("verify", run, option, number) for number in NUMBERS)


def search_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield studies that cannot be."""
    dry = ("search", "--dry-run")
    out = (*dry, "--out", str(folder / "runs"))
    yield from ((*dry, "--out", path) for path in odd)
    numbers = ("--trials", "--cpus-per-trial", "--train-images", "--time-budget", "--max", "--min")
    for option in (*numbers, "--image-size"):
        yield from ((*out, option, number) for number in NUMBERS)
    for option in ("--extractor", "--resume", "--store", "--name", "--space", "--config"):
        yield from ((*out, option, path) for path in odd)
    for name in ("mnist", "cifar10"):
        yield from ((*out, "--dataset", name, "--data-dir", path) for path in odd)
    yield from ((*out, "--dataset", f"folder:{path}") for path in odd)
    yield from ((*out, "--extractor", "inception", "--inception-weights", p) for p in odd)


def extractor_cases(folder: Path, odd: list[str]) -> Iterator[Case]:
    """Yield images that are none, files that cannot be written, and wrong numbers."""
    data, out = f"folder:{folder / 'data'}", str(folder / "out.safetensors")
    command = ("train_extractor", "--dataset")
    yield from ((*command, f"folder:{path}", "--out", out) for path in odd)
    yield from ((*command, data, "--out", out, "--epochs", number) for number in NUMBERS)
    outs = make_odd_paths(folder / "extractors out")
    yield from ((*command, data, "--epochs", "1", "--out", path) for path in outs)


def honest(folder: Path) -> Iterator[Case]:
    """Yield command lines that are in order, of which one is the largest."""
    yield "describe", "system-a-ncsn/rand-30-middle"
    yield "generate", str(folder / "model.pdm"), "-n", "64", "--out", str(folder / "grid.png")
    yield "export", str(folder / "model.pdm"), "--to", str(folder / "first"), "--license", "mit"
    yield "search", "--dry-run", "--out", str(folder / "runs")
    yield "record", str(folder / "run"), "--out", str(folder / "table.json")
    data = f"folder:{folder / 'data'}"
    out = str(folder / "extractor")
    yield "train_extractor", "--dataset", data, "--epochs", "1", "--out", out


def run_case(case: Case) -> dict[str, Any]:
    """Run a command line; return its status and what it says on stderr, a crash's too."""
    command, *arguments = case
    status: object = None
    before = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            run_command(lambda: COMMANDS[command](arguments))
        except SystemExit as end:
            status = end.code
        except TookTooLong:
            status = "took too long"
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
        said.seek(0)
        text = said.read().decode()
    return {"case": [part[:80] for part in case], "status": status, "said": text[:2_000]}


def peak_bytes() -> int:
    """Return the most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE


def main(folder: Path) -> dict[str, Any]:
    """Run the honest ones, then the others within as much memory as those took."""
    good = [run_case(case) for case in honest(folder)]
    honest_bytes = peak_bytes()
    bad = []
    for case in cases(folder):
        with at_most(SECONDS, honest_bytes):
            bad.append(run_case(case))
    return {"honest": good, "bad": bad, "bytes": [honest_bytes, peak_bytes()]}


if __name__ == "__main__":
    results = Path(sys.argv[1]) / "results.json"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resources = Resources(1.0, 0.0, 1)
    with (
        mock.patch("study.commands.search.ray_session", return_value=nullcontext()),
        mock.patch("study.commands.verify.ray_session", return_value=nullcontext()),
        mock.patch("study.commands.search.resolve_resources", return_value=resources),
        mock.patch("study.commands.verify.resolve_resources", return_value=resources),
    ):
        results.write_text(json.dumps(main(Path(sys.argv[1]))))
