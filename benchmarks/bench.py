"""Every benchmark of ratios that takes minutes, in one JSON file and on one page.

    make bench
    python -m benchmarks.bench --json docs/speed.json --page docs/speed.md [--only growth]

Each runs in a process of its own, one after the other, and is named with the arguments and the
commit that it was run with; with `--only` the others in the file stay. What needs a finished run,
or hours, is not among them: benchmarks.engine, benchmarks.replay, benchmarks.scale,
benchmarks.generate_front.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.machine import commit, machine, versions
from benchmarks.speed_page import write_page

BENCHMARKS = {
    "speed": ("--rounds", "3"),
    "growth": ("--rounds", "3"),
    "against_diffusers": ("--rounds", "2"),
    "frechet_speed": ("--threads", "1", "--repeats", "1"),
    "published_samplers": ("--train-images", "500", "--images", "10"),
    "throughput": ("--workers", "1", "2"),
}
NEEDED = {"against_diffusers": "diffusers"}


def measured(names: Sequence[str], path: Path, *, keeps: bool) -> Iterator[dict[str, Any]]:
    """Run benchmarks; yield their figures so far, with what they hold for, after each of them.

    Args:
        names: of the benchmarks.
        path: of the file of an earlier measurement.
        keeps: whether its other benchmarks stay.

    Raises:
        ValueError: they are not of this machine and these versions.
        subprocess.CalledProcessError: one of them failed.
    """
    here = {"machine": machine(), "versions": versions()}
    found = _of_file(path, here) if keeps and path.exists() else {}
    at = commit()  # before what is written below is a change of its own
    for name in names:
        if (package := NEEDED.get(name)) and find_spec(package) is None:
            print(f"{name}: left out without {package} (pip install 'paretodiff[bench]')")
            continue
        print(f"{name}: {' '.join(BENCHMARKS[name])}", flush=True)
        now = datetime.now(UTC).isoformat(timespec="minutes")
        found[name] = {"measured": now, "commit": at, **_run(name)}
        yield {**here, "benchmarks": {n: found[n] for n in BENCHMARKS if n in found}}


def _of_file(path: Path, here: Mapping[str, Any]) -> dict[str, Any]:
    """Return the benchmarks of a file, measured as those that are to stand beside them."""
    kept: dict[str, Any] = json.loads(path.read_text())
    for what, value in here.items():
        if kept.get(what) != value:
            raise ValueError(
                f"{path} was measured with {what} {kept.get(what)}; allowed with --only: {value}"
            )
    benchmarks: dict[str, Any] = kept["benchmarks"]
    return benchmarks


def _run(name: str) -> dict[str, Any]:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", *BENCHMARKS[name]]
        subprocess.run([*command, "--json", str(path)], check=True)
        figures = json.loads(path.read_text())
    return {
        "arguments": list(BENCHMARKS[name]),
        "seconds": round(time.perf_counter() - start, 1),
        "figures": figures,
    }


def main() -> None:
    """Run them, write the file, and show it on the page where one is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--json", type=Path, required=True, help="a file for all figures")
    add("--page", type=Path, help="a page whose table is written anew")
    add("--only", action="append", choices=BENCHMARKS, help="this benchmark, again for more")
    given = parser.parse_args()
    keeps = given.only is not None
    names = given.only or list(BENCHMARKS)
    try:
        # What is cut off keeps what it has.
        for result in measured(names, given.json, keeps=keeps):
            given.json.write_text(json.dumps(result, indent=1) + "\n")
            if given.page is not None:
                write_page(given.page, result)
    except ValueError as error:
        parser.error(str(error))
    print(f"written: {given.json}")


if __name__ == "__main__":
    main()
