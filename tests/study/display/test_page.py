"""The page and the table hold the front's figures, and the page needs no other file."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from small_run import run_of

from diffusion.recipe import Recipe
from study.display.console import print_front, print_trainings
from study.display.own_files import remove_own
from study.display.page import write_report
from study.results.records import TrialRecord
from study.results.words import name_recipe
from study.run.settings import RunSettings

ROW: dict[str, Any] = {
    "rank": 1,
    "trial": 17,
    "architecture": "ncsn",
    "widths": "32-64-128-256",
    "groups": 4,
    "ema": "short",
    "prune_method": "random",
    "prune_region": "extremes",
    "prune_ratio": 0.3,
    "quantization": "weights8",
    "size_bytes": 123_456,
    "fid": 20.04,
    "fid_low": 18.0,
    "fid_high": 22.0,
    "fid_held_out": 23.0,
    "fid_noise": 600.0,
    "fid_floor": 4.0,
    "fid_num_images": 500,
    "num_images_floor": 500,
    "label_agreement": 0.954,
    "package_path": "front/01-17/model.pdm",
    "verified_seeds": None,
    "front_probability": None,
    "trainings": None,
}
VERIFIED = {**ROW, "fid_num_images": 10_000, "verified_seeds": 3, "front_probability": 0.873}


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


def test_the_printed_front_fits_80_columns_and_keeps_its_figures() -> None:
    out = io.StringIO()
    print_front(Console(file=out, width=80), [ROW])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines[:-1])) <= 80
    text = " ".join(" ".join(lines).split())
    for part in ("01-17", "ncsn 32-64-128-256 g4", "123 kB", "20.0", "18.0-22.0", "95%"):
        assert part in text, part
    assert "500 real images have 4.00, uniform noise 600, the best point 3.34 % of that" in text


def test_a_verified_front_says_how_sure_each_point_is_and_still_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_front(Console(width=80), [VERIFIED])
    printed = capsys.readouterr().out
    assert "on front" in printed
    assert "87%" in printed
    assert "FID of 3 x 10,000 images" in printed
    assert "real images have 4.00" in printed
    table = printed.split("FID of")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "123 kB" in table


def test_trainings_are_compared_with_samples_only_where_there_are_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_trainings(Console(width=80), [VERIFIED])
    assert capsys.readouterr().out == ""
    spread = {"trainings": 3, "fid_trainings_deviation": 1.25, "fid_samples_deviation": 0.5}
    print_trainings(Console(width=80), [VERIFIED, {**VERIFIED, **spread}])
    heading, line = capsys.readouterr().out.strip().splitlines()
    assert "deviation over samples" in heading
    assert line.split() == ["01-17", "20.04", "0.50", "1.25", "3"]
