"""A report is written anew from what is stored, and beside a study at work nothing of it is."""

from pathlib import Path

import pytest
from refusals import Refused
from small_run import run_of
from small_scores import fake_scores
from small_verification import fill
from stored_run import begin, content

from diffusion.recipe import Recipe
from study import report
from study.run.folder import exclusive
from study.verification.file import Verification

PICTURES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def run(tmp_path: Path, digit_recipe: Recipe) -> Path:
    """Two models on the front; a third is dominated, but in a verification that comes later."""
    scores = [fake_scores(20.0, 100), fake_scores(10.0, 300), fake_scores(10.5, 400)]
    return begin(tmp_path / "run", digit_recipe, scores)


def points(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "front").iterdir() if path.is_dir())


def test_front_and_report_are_written_from_what_is_stored(run: Path) -> None:
    assert report.main([str(run)]) == 0
    assert points(run) == ["01-0", "02-1"]
    assert (run / "report.html").stat().st_size > 0
    first = content(run / "front")
    assert report.main([str(run)]) == 0
    assert content(run / "front") == first


def test_verified_figures_are_shown_where_they_are_there(run: Path) -> None:
    verification = Verification(run_of(run))
    fill(verification, 0, 20.0, 21.0, 22.0)
    fill(verification, 1, 18.0, 19.0, 20.0)
    fill(verification, 2, 8.0, 8.5, 9.0)
    verification.save()
    assert report.main([str(run)]) == 0
    assert points(run) == ["01-0", "02-1", "03-2"]
    assert (
        "FID, 3 x 1,000 images, train split | 8.50"
        in (run / "front" / "03-2" / "README.md").read_text()
    )


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_picture_is_written_beside_a_study_at_work_and_nothing_in_its_folder(
    suffix: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"front{suffix}"
    with exclusive(run):
        before = content(run)
        assert report.main([str(run), "--plot", str(out)]) == 0
        assert content(run) == before
    assert out.read_bytes().startswith(PICTURES[suffix])
    assert capsys.readouterr().out == f"plot: {out}\n"


def test_a_page_is_written_beside_a_study_at_work(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    with exclusive(run):
        before = content(run)
        assert report.main([str(run), "--page", str(out)]) == 0
        assert content(run) == before
    assert "<title>" in out.read_text()


def test_beside_a_study_at_work_what_can_be_had_is_named(run: Path, refused: Refused) -> None:
    with exclusive(run):
        before = content(run)
        line = refused(lambda: report.main([str(run)]))
        assert content(run) == before
    assert "is at work, and writes its front and report itself; allowed: --plot FILE" in line


def test_a_run_without_a_complete_trial_has_a_report_that_says_so_and_no_plot(
    tmp_path: Path,
    digit_recipe: Recipe,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = begin(tmp_path / "empty", digit_recipe, [])
    assert report.main([str(run)]) == 0
    assert "no trial is complete, so there is no front" in capsys.readouterr().out
    assert (run / "report.html").exists()
    with pytest.raises(ValueError, match=r"--plot is .*, but no trial is complete"):
        report.main([str(run), "--plot", str(tmp_path / "front.png")])
    assert not (tmp_path / "front.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "front.jpg"], "--plot front.jpg ends otherwise; allowed: a name that ends in"),
        (["--plot", "/no/such/folder/a.png"], "is in no folder: /no/such/folder"),
        (["--page", "page.pdf"], "--page page.pdf ends otherwise; allowed:"),
        (["--x", "macs"], "--x is given; allowed: with --plot FILE"),
        (["--only-front"], "--only-front is given; allowed: with --plot FILE"),
        (["--plot", "{}", "--x", "fid"], "--x and --y are both fid; allowed: two scores"),
        (["--plot", "{}", "--y", "beauty"], "'beauty'; allowed: fid, "),
        (["--plot", "{}", "--published", "quick"], "'quick', which has no published rows"),
        (["--plot", "{}", "--published", "nope"], "space is 'nope'"),
        (["--plot", "{}", "--y", "ssim"], "no model of the front has size_bytes and ssim"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    options: list[str], message: str, run: Path, tmp_path: Path, refused: Refused
) -> None:
    given = [option.format(tmp_path / "front.svg") for option in options]
    with exclusive(run):  # so that nothing else is printed
        assert message in refused(lambda: report.main([str(run), *given]))
    assert not (tmp_path / "front.svg").exists()
