"""The page holds a run's trials as data and needs no other file; no text in it is markup."""

import re
import shutil
from pathlib import Path

import pytest
from report_runs import DATA, data_of, record, report_of, small_report, verified, write_samples
from small_run import run_of
from small_scores import ROW

from diffusion.recipe import Recipe
from study.display.page import write_report
from study.results.records import TrialRecord
from study.results.words import name_recipe
from study.run.warned import keep_warning

MARKUP = "</script><b>&amp;<!--"


def test_the_page_needs_no_other_file_and_no_network(tmp_path: Path) -> None:
    page = small_report(tmp_path, [record(n) for n in range(10)]).read_text()
    own = page.split("<script>")[0] + page.split("</script>")[-2]
    assert not re.search(r'(?:src|href)="(?!data:|#)', own)
    assert "default-src 'none'" in own
    assert "://" not in own
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in own


def test_the_front_is_shown_with_its_samples_commands_and_conditions(tmp_path: Path) -> None:
    data = data_of(small_report(tmp_path, [record(n) for n in range(10)]))
    front = [trial for trial in data["trials"] if trial["status"] == "front"]
    assert front
    for trial in front:
        number = str(trial["trial"])
        assert data["pictures"][number]["sheet"].startswith("data:image/webp;base64,")
        conditions = data["conditions"][trial["conditions"]]
        assert conditions["floors"]["fid"] == 1.93
        assert conditions["noise"] == 691.0
        assert ["drawn", "500 images, against the train split"] in conditions["lines"]
    assert data["pick"] in [trial["trial"] for trial in front]


def test_the_commands_of_a_model_name_it_as_every_command_takes_it(tmp_path: Path) -> None:
    run = small_report(tmp_path, [verified(record(n)) for n in range(40)]).parent
    data = data_of(run / "report.html")
    front = [trial for trial in data["trials"] if trial["status"] == "front"]
    best = min(front, key=lambda trial: trial["scores"]["fid"])
    smallest = min(front, key=lambda trial: trial["scores"]["size_bytes"])
    folders = {number: texts["draw"].split()[3] for number, texts in data["commands"].items()}
    assert folders[str(best["trial"])] == f"{run}/front/best"
    assert folders[str(smallest["trial"])] == f"{run}/front/smallest"
    ranks = {trial["rank"]: folders[str(trial["trial"])] for trial in front}
    assert ranks[2] in (f"{run}/front/02", f"{run}/front/pick")
    assert len(set(folders.values())) == len(front) > 3
    for texts in data["commands"].values():
        assert texts["draw"].endswith("-n 64 --out grid.png")
        assert f"Model.read('{texts['draw'].split()[3]}')" in texts["python"]


def test_what_trials_were_warned_of_is_a_note(tmp_path: Path) -> None:
    keep_warning(tmp_path, "<b>few</b> reference images")
    page = small_report(tmp_path, [record(0)])
    assert "Trials were warned: <b>few</b> reference images" in data_of(page)["notes"]
    assert "<b>few" not in page.read_text()


def test_every_trial_that_began_is_counted_as_what_became_of_it(tmp_path: Path) -> None:
    records = [*map(record, range(10)), TrialRecord(10, "waiting", None)]
    data = data_of(small_report(tmp_path, records))
    statuses = {trial["trial"]: trial["status"] for trial in data["trials"]}
    assert statuses.keys() == set(range(10))
    assert {number: statuses[number] for number in (3, 5, 7, 9)} == {
        3: "stopped",
        5: "failed",
        7: "refused",
        9: "noise",
    }
    assert {statuses[number] for number in (0, 1, 2, 4, 6, 8)} == {"front", "dominated"}
    (note,) = [note for note in data["notes"] if "noise" in note]
    assert "a limit that every study has, whether one is set or not" in note


def test_verified_figures_come_first_with_the_search_s_beside_them(tmp_path: Path) -> None:
    records = [verified(record(n)) if n % 2 == 0 else record(n) for n in range(10)]
    data = data_of(small_report(tmp_path, records))
    (trial,) = [trial for trial in data["trials"] if trial["trial"] == 4]
    assert trial["seeds"] == 3
    assert trial["images"] == 1_000
    assert trial["scores"]["fid"] == pytest.approx(0.9 * trial["searched"]["fid"], rel=1e-4)
    assert trial["searched_images"] == 500
    assert any("were verified" in note for note in data["notes"])


@pytest.mark.parametrize("field", ["space", "dataset", "seed", "device"])
def test_no_setting_is_markup_on_the_page(field: str, tmp_path: Path) -> None:
    page = report_of(run_of(tmp_path, data=vars(DATA), **{field: MARKUP}))
    assert MARKUP not in page.read_text()
    assert MARKUP in str(data_of(page)["run"]["facts"])


def test_names_and_reasons_are_no_markup_on_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "<b>&amp;"
    folder.mkdir()
    page = report_of(
        run_of(folder, [TrialRecord(0, "failed", None, None, MARKUP)], data=vars(DATA))
    )
    assert MARKUP not in page.read_text()
    assert page.read_text().count("&lt;b&gt;&amp;amp;") == 2
    assert "<b>&amp;" not in page.read_text()
    data = data_of(page)
    assert data["run"]["name"] == "<b>&amp;"
    assert data["trials"][0]["reason"] == MARKUP


@pytest.mark.parametrize("name", ["report.html", ".report.html"])
def test_a_link_in_place_of_the_page_is_not_written_through(name: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.write_text("mine")
    (run / name).symlink_to(outside)
    write_report(run_of(run), [])
    assert outside.read_text() == "mine"
    assert not (run / "report.html").is_symlink()


@pytest.mark.parametrize("linked", ["trials", "trials/0", "trials/0/samples.png"])
def test_a_picture_behind_a_link_is_not_shown_and_the_page_says_so(
    linked: str, tmp_path: Path
) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    for folder in (run, outside):
        write_samples(folder / "trials" / "0")
    (shutil.rmtree if (run / linked).is_dir() else Path.unlink)(run / linked)
    (run / linked).symlink_to(outside / linked)
    data = data_of(report_of(run_of(run, [record(0)], data=vars(DATA))))
    assert data["pictures"] == {}
    said = f"The samples of trial 0 cannot be shown: {run / linked} is a link; allowed: "
    assert any(note.startswith(said) for note in data["notes"])


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"GIF89a", "half"])
def test_a_half_written_picture_is_not_shown_and_the_page_says_so(
    content: bytes | str, tmp_path: Path
) -> None:
    write_samples(tmp_path / "trials" / "0")
    path = tmp_path / "trials" / "0" / "samples.png"
    path.write_bytes(path.read_bytes()[:999] if isinstance(content, str) else content)
    data = data_of(report_of(run_of(tmp_path, [record(0)], data=vars(DATA))))
    assert data["pictures"] == {}
    assert any("samples of trial 0 cannot be shown" in note for note in data["notes"])


def test_limits_are_said(tmp_path: Path, digit_recipe: Recipe) -> None:
    scores = {"fid": 12.34, "size_bytes": 600_000, "fid_noise": 691.0}
    over = TrialRecord(5, "complete", digit_recipe, scores, "size_bytes 600,000 is over", 1, False)
    objectives = ("fid", "recall")
    run = run_of(tmp_path, [over], {"size_bytes": 500_000}, objectives=objectives)
    data = data_of(report_of(run))
    said = "minimising fid, maximising recall; size_bytes at most 500,000"
    assert data["run"]["aims"] == said
    assert data["trials"][0]["status"] == "over"
    assert data["trials"][0]["name"] == name_recipe(digit_recipe)
    assert any("No trial keeps to the limits" in note for note in data["notes"])


def test_a_run_without_a_trial_says_so(tmp_path: Path) -> None:
    data = data_of(report_of(run_of(tmp_path)))
    assert data["notes"] == ["No trial has begun yet."]
    assert data["pick"] is None


def test_a_run_without_a_finished_trial_says_so(tmp_path: Path, digit_recipe: Recipe) -> None:
    data = data_of(report_of(run_of(tmp_path, [TrialRecord(0, "running", digit_recipe)])))
    assert data["notes"][0] == "No trial is complete, so there is no front."
    assert "is running, or was cut off and can be resumed" in data["notes"][1]


def test_a_run_that_is_being_written_says_that_it_runs(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    run = run_of(tmp_path, [TrialRecord(0, "running", digit_recipe)])
    data = data_of(report_of(run, is_live=True))
    assert data["run"]["live"]
    assert not any("cut off" in note for note in data["notes"])


def test_a_trial_of_an_older_version_is_shown_with_what_it_has(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    old = TrialRecord(0, "complete", digit_recipe, {"fid": 12.0, "size_bytes": 600})
    run = run_of(tmp_path, [old])
    write_report(run, [{**ROW, "trial": 0}])
    data = data_of(tmp_path / "report.html")
    assert data["trials"][0]["scores"] == {"fid": 12.0, "size_bytes": 600, "trial": 0}
    assert any("of an older version" in note for note in data["notes"])


def test_the_page_of_200_trials_is_below_six_and_a_half_megabytes(tmp_path: Path) -> None:
    records = [record(number) for number in range(200)]
    for number in range(8):
        write_samples(tmp_path / "sheets" / str(number))
    for number in range(200):
        folder = tmp_path / "trials" / str(number)
        shutil.copytree(tmp_path / "sheets" / str(number % 8), folder)
    page = report_of(run_of(tmp_path, records, data=vars(DATA)))
    data = data_of(page)
    assert len(data["trials"]) == 200
    assert len(data["pictures"]) > 50
    assert page.stat().st_size < 6_500_000
