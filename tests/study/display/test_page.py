"""The page holds the front's figures and needs no other file; no text in it is markup."""

import re
from pathlib import Path

import pytest
from PIL import Image
from small_run import run_of
from small_scores import ROW

from diffusion.recipe import Recipe
from study.display.own_files import remove_own
from study.display.page import write_report
from study.results.records import TrialRecord
from study.results.words import name_recipe
from study.run.settings import RunSettings


def test_the_page_shows_the_front_and_embeds_its_pictures(
    tmp_path: Path, settings: RunSettings
) -> None:
    point = tmp_path / "front" / "01-17"
    point.mkdir(parents=True)
    for path in (point / "samples.png", tmp_path / "front" / "front.png"):
        Image.new("L", (4, 4)).save(path)
    write_report(run_of(tmp_path, dataset="<mnist5k>"), [ROW])
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs another file"
    for text in ("01-17", "random 30% extremes", "123 kB", "20.0", "18.0-22.0", "95%"):
        assert text in page
    assert "&lt;mnist5k&gt;" in page
    assert "<mnist5k>" not in page


@pytest.mark.parametrize("field", ["space", "dataset", "seed", "threads", "device"])
def test_no_setting_is_markup_on_the_page(field: str, tmp_path: Path) -> None:
    write_report(run_of(tmp_path, **{field: "<script>1</script>"}), [])
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;1&lt;/script&gt;" in page


def test_a_run_s_name_is_no_markup_on_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "<b>&amp;"
    folder.mkdir()
    write_report(run_of(folder), [])
    page = (folder / "report.html").read_text()
    assert page.count("&lt;b&gt;&amp;amp;") == 2
    assert "<b>" not in page


@pytest.mark.parametrize("name", ["report.html", ".report.html"])
def test_a_link_in_place_of_the_page_is_not_written_through(name: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.write_text("mine")
    (run / name).symlink_to(outside)
    write_report(run_of(run), [])
    assert outside.read_text() == "mine"
    assert not (run / "report.html").is_symlink()


@pytest.mark.parametrize("linked", ["front", "front/01-17", "front/01-17/samples.png"])
def test_a_picture_behind_a_link_is_refused(linked: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    for folder in (run, outside):
        (folder / "front" / "01-17").mkdir(parents=True)
        Image.new("L", (4, 4)).save(folder / "front" / "01-17" / "samples.png")
    remove_own(run / linked)
    (run / linked).symlink_to(outside / linked)
    with pytest.raises(ValueError, match=f"{run / linked} is a link; allowed: "):
        write_report(run_of(run), [ROW])
    assert not (run / "report.html").exists()


def test_what_is_not_on_the_front_is_shown_as_what_it_is(
    tmp_path: Path, settings: RunSettings, digit_recipe: Recipe
) -> None:
    scores = {"fid": 12.34, "size_bytes": 600_000, "train_images": 64_000}
    over = TrialRecord(5, "complete", digit_recipe, scores, "size_bytes 600,000 is over", 1, False)
    rungs = {8_000: {"fid": 99.0}, 16_000: {"fid": 88.8, "size_bytes": 1_000_000}}
    reason = "stopped early after 16,000 training images"
    records = [
        over,
        TrialRecord(6, "pruned", digit_recipe, None, reason, 1, rungs=rungs),
        TrialRecord(7, "failed", digit_recipe, None, "<boom>"),
        TrialRecord(8, "infeasible", None, None, "groups"),
        TrialRecord(9, "complete", digit_recipe, scores),
        TrialRecord(10, "waiting", None),
    ]
    limits, objectives = {"size_bytes": 500_000}, ("fid", "recall")
    write_report(run_of(tmp_path, records, limits, objectives=objectives), [])
    page = (tmp_path / "report.html").read_text()
    assert "minimising fid, maximising recall; size_bytes at most 500,000;" in page
    counts = "1 over a limit, 1 stopped early, 1 failed, 1 refused, 1 complete;"
    assert f"trials: {counts}" in page
    _, *lines = re.findall("<tr>(.*?)</tr>", page)
    cells = [re.findall("<td[^>]*>(.*?)</td>", line) for line in lines]
    model = name_recipe(digit_recipe)
    assert cells == [
        ["5", model, "size_bytes 600,000 is over", "64,000", "600 kB", "12.3"],
        ["6", model, reason, "16,000", "1 MB", "88.8"],
        ["7", model, "&lt;boom&gt;", "-", "-", "-"],
    ]


def test_an_objective_that_has_no_column_gets_one(tmp_path: Path, settings: RunSettings) -> None:
    names = ("fid", "recall", "macs")
    row = {**ROW, "recall": 0.4321, "macs": 1_234_567}
    write_report(run_of(tmp_path, objectives=names), [row])
    page = (tmp_path / "report.html").read_text()
    assert page.endswith("</html>\n")
    assert re.findall("<th>(.*?)</th>", page)[-2:] == ["recall", "macs"]
    assert re.findall('<td class="number">(.*?)</td>', page)[-2:] == ["0.4321", "1.23457e+06"]


def test_a_run_without_a_front_still_has_a_page(tmp_path: Path, settings: RunSettings) -> None:
    write_report(run_of(tmp_path), [])
    assert "trials: none" in (tmp_path / "report.html").read_text()
