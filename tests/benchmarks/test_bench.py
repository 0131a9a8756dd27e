"""One command for all: what was measured is kept, benchmark by benchmark."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import bench
from benchmarks.speed_page import BEGIN, END


def test_figures_are_kept_after_each_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, kept = tmp_path / "speed.md", tmp_path / "speed.json"
    page.write_text(f"{BEGIN}\n{END}\n")

    def run(name: str) -> dict[str, object]:
        if name == "throughput":
            raise KeyboardInterrupt
        return {"arguments": ["--few"], "seconds": 1.0, "figures": {f"of {name}": 2.0}}

    monkeypatch.setattr(bench, "_run", run)
    monkeypatch.setattr(bench, "find_spec", lambda package: None)
    monkeypatch.setattr(sys, "argv", ["bench", "--json", str(kept), "--page", str(page)])
    with pytest.raises(KeyboardInterrupt):
        bench.main()
    found = json.loads(kept.read_text())
    names = ["speed", "growth", "frechet_speed", "published_samplers"]
    assert list(found["benchmarks"]) == names, "diffusers is not there"
    assert {"machine", "versions"} < found.keys()
    assert {"measured", "commit"} < found["benchmarks"]["growth"].keys()
    assert "| of growth | 2 |" in page.read_text()


def test_what_is_measured_alone_stands_beside_the_others_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "speed.json"
    figures = {"arguments": [], "seconds": 1.0, "figures": {"one": 1.0}}
    monkeypatch.setattr(bench, "_run", lambda name: figures)
    monkeypatch.setattr(bench, "commit", lambda: "first")
    words = ["bench", "--json", str(kept), "--only", "growth"]
    monkeypatch.setattr(sys, "argv", [*words[:3], "--only", "speed"])
    bench.main()
    monkeypatch.setattr(bench, "commit", lambda: "second")
    monkeypatch.setattr(sys, "argv", words)
    bench.main()
    found = json.loads(kept.read_text())["benchmarks"]
    assert {name: one["commit"] for name, one in found.items()} == {
        "speed": "first",
        "growth": "second",
    }
    monkeypatch.setattr(bench, "machine", lambda: {"processor": "another"})
    with pytest.raises(SystemExit):
        bench.main()
    assert "was measured with machine" in capsys.readouterr().err
    assert json.loads(kept.read_text())["benchmarks"].keys() == found.keys()


def test_every_benchmark_that_is_named_is_there() -> None:
    folder = Path(bench.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in bench.BENCHMARKS)
