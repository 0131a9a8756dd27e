"""The report of a run that is damaged says so, shows what is left, and spoils nothing."""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import Refused
from report_runs import data_of, write_samples
from small_run import run_of
from small_scores import fake_scores
from small_verification import fill
from stored_run import PACKAGE, begin, content

from diffusion.recipe import Recipe
from study import report
from study.run.packages import HASH, sound_run
from study.run.run import Run
from study.verification.ending import write_run
from study.verification.file import Verification

ELEMENT = re.compile('<p id="fault" class="note" role="alert">(.*?)</p>', re.S)


@pytest.fixture
def run(tmp_path: Path, digit_recipe: Recipe) -> Path:
    """A run whose report and front are written: of two verified models, and not of a third."""
    kept = {HASH: hashlib.sha256(PACKAGE).hexdigest()}
    figures = ((20.0, 100), (10.0, 300), (10.5, 400))
    scores = [{**fake_scores(fid, size), **kept} for fid, size in figures]
    folder = begin(tmp_path / "run", digit_recipe, scores)
    verification = Verification(run_of(folder))
    for number, (fid, _) in enumerate(figures):
        fill(verification, number, fid - 3, fid - 2, fid - 1)
    verification.save()
    assert report.main([str(folder)]) == 0
    return folder


def faults(page: Path) -> list[str]:
    return ELEMENT.findall(page.read_text())


def but_report(run: Path) -> dict[str, bytes]:
    """Return every file of a run but its report, which alone may change."""
    return {name: found for name, found in content(run).items() if name != "report.html"}


def test_a_whole_run_has_no_fault(run: Path) -> None:
    assert faults(run / "report.html") == []


@pytest.mark.parametrize("damaged", [b"", b'{"format": 2, "poi', b'{"format": 9, "points": {}}'])
def test_without_its_verification_the_search_s_figures_are_shown_and_the_front_stays(
    damaged: bytes, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "verified.json").write_bytes(damaged)
    before = but_report(run)
    assert report.main([str(run)]) == 0
    assert but_report(run) == before
    (said,) = faults(run / "report.html")
    assert said.startswith(f"{run / 'verified.json'} cannot be read (")
    assert said.endswith(
        "The figures here are the search&#39;s; the folder front/ was left as it was."
    )
    assert f"warning: {run / 'verified.json'} cannot be read (" in capsys.readouterr().out
    data = data_of(run / "report.html")
    fids = {trial["trial"]: trial["scores"]["fid"] for trial in data["trials"][:3]}
    assert fids == {0: 20.0, 1: 10.0, 2: 10.5}
    assert f"{run / 'front' / '01-0'} -n" in data["commands"]["0"]["draw"]


def test_a_run_without_its_trials_keeps_its_front_and_shows_it_as_it_was_scored(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_samples(run / "trials" / "1")
    assert report.main([str(run)]) == 0
    shutil.rmtree(run / "trials")
    before = but_report(run)
    assert report.main([str(run)]) == 0
    assert but_report(run) == before
    assert "warning: No trial has its model any more (trial 0: " in capsys.readouterr().out
    (said,) = faults(run / "report.html")
    assert "it is missing). The figures here are as they were scored; the folder front/" in said
    data = data_of(run / "report.html")
    assert [t["trial"] for t in data["trials"] if t["status"] == "front"] == [0, 1]
    assert f"{run / 'front' / '02-1'} -n" in data["commands"]["1"]["draw"]
    assert list(data["pictures"]) == ["1"]


def test_a_search_s_end_writes_no_empty_front_over_one_whose_trials_are_gone(run: Path) -> None:
    shutil.rmtree(run / "trials")
    before = but_report(run)
    assert write_run(sound_run(Run.read(run))) == []
    assert but_report(run) == before
    notes = data_of(run / "report.html")["notes"]
    (left_out,) = [note for note in notes if note.startswith("Trial 0 is left out: its model.pdm")]
    assert left_out.endswith("So it is with 2 trials more.")


def test_a_model_that_is_gone_is_told_and_what_it_kept_off_the_front_is_on_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "trials" / "1")
    assert report.main([str(run)]) == 0
    assert sorted(path.name for path in (run / "front").glob("0*")) == ["01-0", "02-2"]
    assert "trial 1 is left out of the front: its model.pdm" in capsys.readouterr().out
    notes = data_of(run / "report.html")["notes"]
    assert any(note.startswith("Trial 1 is left out: its model.pdm is not") for note in notes)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "half of the settings": lambda run: shorten(run / "run.json"),
    "no settings": lambda run: (run / "run.json").unlink(),
    "settings of a later version": lambda run: (run / "run.json").write_text('{"format": 99}'),
    "another journal": lambda run: (run / "study.journal").write_text("<b>mine</b>"),
    "an empty journal": lambda run: (run / "study.journal").write_text(""),
    "no journal": lambda run: (run / "study.journal").unlink(),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_above_the_last_report_of_a_run_that_cannot_be_read_it_says_why(
    case: str, run: Path, refused: Refused
) -> None:
    last = (run / "report.html").read_text().splitlines()
    DAMAGE[case](run)
    before = but_report(run)
    for _ in range(2):
        line = refused(lambda: report.main([str(run)]))
        assert but_report(run) == before
        (said,) = faults(run / "report.html")
        assert said.startswith("This run cannot be read: ")
        assert said.endswith("What is shown below was written before.")
        assert "<b>" not in said
    assert line.endswith(f"; its report says so: {run / 'report.html'}")
    lines = (run / "report.html").read_text().splitlines()
    assert [each for each in lines if not ELEMENT.match(each)] == last


@pytest.mark.parametrize("case", DAMAGE)
def test_a_run_that_cannot_be_read_and_has_no_report_gets_one_that_says_why(
    case: str, run: Path, tmp_path: Path, refused: Refused
) -> None:
    named = run.rename(tmp_path / "<b>run")
    (named / "report.html").unlink()
    DAMAGE[case](named)
    page = tmp_path / "page.html"
    refused(lambda: report.main([str(named), "--page", str(page)]))
    assert not (named / "report.html").exists()
    refused(lambda: report.main([str(named)]))
    assert (named / "report.html").read_text() == page.read_text()
    (said,) = faults(page)
    assert said.startswith("This run cannot be read: ")
    assert "<b>" not in page.read_text()


def test_a_picture_alone_leaves_the_report_of_a_run_that_cannot_be_read(
    run: Path, tmp_path: Path, refused: Refused
) -> None:
    (run / "run.json").write_text("{}")
    before = content(run)
    line = refused(lambda: report.main([str(run), "--plot", str(tmp_path / "front.svg")]))
    assert "has no format of ours" in line
    assert content(run) == before


def test_a_mended_run_has_its_whole_report_again(run: Path, refused: Refused) -> None:
    settings = (run / "run.json").read_bytes()
    (run / "run.json").write_text("")
    refused(lambda: report.main([str(run)]))
    assert len(faults(run / "report.html")) == 1
    (run / "run.json").write_bytes(settings)
    assert report.main([str(run)]) == 0
    assert faults(run / "report.html") == []


def test_a_folder_that_is_no_run_gets_no_page_and_a_page_of_others_stays(
    tmp_path: Path, refused: Refused
) -> None:
    assert "is no run of a study" in refused(lambda: report.main([str(tmp_path)]))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "report.html").write_text("<h1>mine</h1>\n")
    assert "has no format of ours" in refused(lambda: report.main([str(tmp_path)]))
    assert (tmp_path / "report.html").read_text() == "<h1>mine</h1>\n"
