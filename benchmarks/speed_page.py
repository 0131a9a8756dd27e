"""The page that shows the last measurement: its tables stand between two marks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
DIGITS = 3


def write_page(path: Path, result: Mapping[str, Any]) -> None:
    """Write a measurement into a page, between its marks; all else stays.

    Raises:
        ValueError: the page has no such marks.
    """
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"page {path} has no marks; allowed: one with {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    path.write_text("\n".join([before + BEGIN, *_lines(result), END + rest.split(END, 1)[1]]))


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    machine, versions = result["machine"], result["versions"]
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if machine[unit]] or ["no bf16 units"]
    known = [f"{name} {version}" for name, version in versions.items() if version]
    yield (
        f"{machine['processor']} ({machine['cores']} cores, {', '.join(units)}); "
        f"{', '.join(known)}."
    )
    for name, benchmark in result["benchmarks"].items():
        command = " ".join([f"python -m benchmarks.{name}", *benchmark["arguments"]])
        when = f"{benchmark['measured']}, commit {benchmark['commit']}"
        heading = f"`{command}` ({when}, {benchmark['seconds']:.0f} s)"
        yield from ("", heading, "", "| | |", "|-|-:|")
        for what, value in benchmark["figures"].items():
            yield f"| {what} | {_number(value)} |"
    yield ""


def _number(value: float) -> str:
    """Write a number with few digits, but none of them in the place of a known one."""
    return f"{value:,.0f}" if value >= 10**DIGITS else f"{value:.{DIGITS}g}"
