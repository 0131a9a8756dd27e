"""The command that picks a model: for people, for programs, and as a table."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from drawing_run import make_run
from refusals import Refused
from torch import nn

from diffusion.recipe import Recipe
from study import pick


@pytest.fixture
def run(tiny_recipe: Recipe, tiny_network: nn.Module, tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", tiny_recipe, tiny_network)


def test_the_model_is_named_with_its_figures_and_its_command(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    assert pick.main(["run", "--max-fid", "25"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "trial    2, rank 2 of the front" in lines
    assert "size     3 kB (3,000 bytes)" in lines
    assert "FID      20.00 (95 %: 19.00 to 21.00)" in lines
    assert (
        "measured FID of 500 images against the train split; 500 real images have 4.00, uniform "
        "noise 600; not verified"
    ) in lines
    assert lines[-1] == "use it   python -m study.generate run/front/02-2 -n 64 --out grid.png"


def test_the_command_that_is_printed_works(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from study import generate

    monkeypatch.chdir(run.parent)
    pick.main(["run", "--json"])
    words = json.loads(capsys.readouterr().out)["picked"]["command"].split()
    assert words[:3] == ["python", "-m", "study.generate"]
    assert generate.main(words[3:]) == 0
    assert Path("grid.png").stat().st_size > 0


def test_programs_read_every_figure(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--max", "size_bytes=5k", "--min", "label_agreement=0.6"]
    assert pick.main([str(run), "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["max"] == {"size_bytes": 5_000}
    assert found["min"] == {"label_agreement": 0.6}
    assert found["picked"]["trial"] == found["figures"]["trial"] == 2
    assert found["picked"]["folder"] == f"{run}/front/02-2"
    assert found["figures"]["fid"] == 20


def test_a_whole_front_is_printed_and_written_within_other_limits(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = (run / "front" / "front.csv").read_bytes()
    for suffix in (".csv", ".json", ".parquet"):
        out = tmp_path / f"mine{suffix}"
        options = ["--min", "size_bytes=3500", "--front", "--out", str(out)]
        assert pick.main([str(run), *options]) == 0
        assert "The front: 2 models, smallest first" in capsys.readouterr().out
    trials = [
        pd.read_csv(tmp_path / "mine.csv")["trial"].tolist(),
        pd.read_parquet(tmp_path / "mine.parquet")["trial"].tolist(),
        [p["trial"] for p in json.loads((tmp_path / "mine.json").read_text())["points"]],
    ]
    assert trials == [[1, 3]] * 3
    assert all((run / path).is_file() for path in pd.read_csv(tmp_path / "mine.csv").package_path)
    assert (run / "front" / "front.csv").read_bytes() == before


def test_other_objectives_make_another_front(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--objective", "fid", "--objective", "latency_ms", "--front", "--json"]
    assert pick.main([str(run), *options]) == 0
    assert [p["trial"] for p in json.loads(capsys.readouterr().out)["points"]] == [3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-fid", "5"], "no model has fid at most 5; allowed: what some finished trial has"),
        (["--max-fid", "x"], "argument --max-fid: 'x'; allowed: above 0"),
        (["--max", "fids=5"], "bound is of 'fids' (did you mean 'fid'?); allowed: parameters"),
        (["--max", "fid"], "argument --max: 'fid'; allowed: like size_bytes=500k"),
        (["--min", "fid=1", "--min", "fid=2"], "--min is of 'fid' twice"),
        (["--max", "fid=1", "--max-fid", "2"], "bound of fid is given twice"),
        (["--objective", "size"], "objective is 'size'; allowed: fid"),
        (["--out", "front.txt"], "ends in .csv or .json or .parquet"),
        (["--out", "no/such/front.csv"], "no/such is none"),
    ],
)
def test_what_cannot_be_picked_is_refused_in_one_line(
    options: list[str], message: str, run: Path, refused: Refused
) -> None:
    assert message in refused(lambda: pick.main([str(run), *options]))


def test_no_table_takes_the_place_of_a_fifo(run: Path, tmp_path: Path, refused: Refused) -> None:
    os.mkfifo(tmp_path / "front.csv")
    line = refused(lambda: pick.main([str(run), "--out", str(tmp_path / "front.csv")]))
    assert "is no regular file" in line


def test_what_is_no_run_is_refused(tmp_path: Path, refused: Refused) -> None:
    assert "is no run of a study" in refused(lambda: pick.main([str(tmp_path)]))
