"""The page of the last measurement: written anew between its marks, and nowhere else."""

from pathlib import Path

import pytest

from benchmarks.machine import commit, machine, versions
from benchmarks.speed_page import BEGIN, END, write_page

RESULT = {
    "machine": machine(),
    "versions": {"torch": "9.9", "diffusers": None},
    "benchmarks": {
        "growth": {
            "measured": "2030-01-01T00:00+00:00",
            "commit": "abc",
            "arguments": ["--rounds", "3"],
            "seconds": 61.2,
            "figures": {"64 pixels": 0.98765, "images": 12345.6},
        }
    },
}


def test_only_what_stands_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):
        write_page(page, RESULT)
    text = page.read_text()
    assert text.startswith(f"# Speed\n\n{BEGIN}\n{machine()['processor']} (")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    assert "torch 9.9." in text
    assert "diffusers" not in text
    command = "`python -m benchmarks.growth --rounds 3`"
    assert f"{command} (2030-01-01T00:00+00:00, commit abc, 61 s)" in text
    assert "| 64 pixels | 0.988 |\n| images | 12,346 |" in text


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("mine\n")
    with pytest.raises(ValueError, match=r"other\.md has no marks; allowed: one with"):
        write_page(page, RESULT)
    assert page.read_text() == "mine\n"


def test_a_measurement_names_its_machine_versions_and_commit() -> None:
    assert machine()["processor"]
    assert machine()["cores"] >= 1
    assert versions()["torch"]
    assert len(commit()) >= 7
