"""The report in a real browser: by mouse, keys and finger, in both styles and at both widths."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import SIZES, chromium, opened
from report_runs import DATA, data_of, record, report_of, small_report, verified
from small_run import run_of

from study.display.serving import serving
from study.results.records import TrialRecord

pytestmark = pytest.mark.slow
NUM_TRIALS = 60
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]
# Where each point is, as the page has it, in pixels from the window's edges.
PLACES = """() => {
    const box = document.getElementById("front-plot").getBoundingClientRect();
    return pointsInOrder().map(
        ({trial, x, y}) => [trial.trial, trial.status, box.x + x, box.y + y]
    );
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of trials of every kind, of which every second one is verified."""
    records = [record(number) for number in range(NUM_TRIALS)]
    records = [verified(each) if each.number % 2 == 0 else each for each in records]
    return small_report(tmp_path_factory.mktemp("runs"), records)


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report on a desktop."""
    with opened(browser, report.as_uri()) as page:
        yield page


def of_status(report: Path, *statuses: str) -> list[dict[str, Any]]:
    return [trial for trial in data_of(report)["trials"] if trial["status"] in statuses]


def violations(page: Any) -> list[str]:
    """Return what axe-core finds wrong."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def point_at(page: Any, status: str) -> tuple[int, float, float]:
    """Bring the plot into view; return a trial of a status that no other one hides."""
    page.locator("#front-box").scroll_into_view_if_needed()
    places = page.evaluate(PLACES)
    for number, found, x, y in places:
        others = [math.hypot(x - a, y - b) for n, _, a, b in places if n != number]
        if found == status and min(others) > 20:
            return number, x, y
    raise AssertionError(f"no trial that is {status} stands apart")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_nothing_is_cut_off_and_axe_finds_nothing(
    size: str, scheme: str, browser: Any, report: Path
) -> None:
    with opened(browser, report.as_uri(), size, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
        beyond = """() => [...document.querySelectorAll("main *, header *")]
            .filter((e) => !e.closest(".wide, .unseen, svg, #front-plot, thead"))
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML)"""
        assert page.evaluate(beyond) == []
        assert violations(page) == []
        page.locator("#table button").nth(20).click()
        assert page.locator("#dialog").is_visible()
        assert violations(page) == []


def test_the_style_follows_the_system(browser: Any, report: Path) -> None:
    luminance = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    with opened(browser, report.as_uri(), scheme="light") as page:
        assert min(page.evaluate(luminance)) > 200
        page.emulate_media(color_scheme="dark")
        assert max(page.evaluate(luminance)) < 60
        tick = page.locator("#front-plot .xtick text").first
        channels = tick.evaluate("(e) => getComputedStyle(e).fill.match(/\\d+/g).map(Number)")
        assert min(channels[:3]) > 150, "the plot is drawn again for dark"


def test_hovering_shows_the_recipe_the_figures_and_samples(page: Any, report: Path) -> None:
    number, x, y = point_at(page, "front")
    page.mouse.move(x, y)
    tip = page.locator("#tip")
    tip.wait_for()
    (trial,) = [trial for trial in of_status(report, "front") if trial["trial"] == number]
    said = tip.inner_text()
    for text in (f"Point {trial['point']}", trial["name"], "verified", "the search's FID"):
        assert text in said
    assert tip.locator("img").evaluate("(e) => e.complete && e.naturalWidth > 100")
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")


@pytest.mark.parametrize("status", ["front", "stopped", "failed", "refused"])
def test_a_click_opens_the_trial(status: str, page: Any, report: Path) -> None:
    number, x, y = point_at(page, status)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    dialog = page.locator("#dialog")
    dialog.wait_for()
    (trial,) = [trial for trial in of_status(report, status) if trial["trial"] == number]
    assert f"Trial {number}, " in dialog.inner_text()
    for text in (trial.get("name"), trial.get("reason")):
        assert text is None or text in dialog.inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_the_axes_show_other_figures_on_other_scales(page: Any) -> None:
    title = page.locator("#front-plot .xtitle")
    assert title.text_content() == "size"
    for name, words in (("latency_ms", "ms an image"), ("nonzero_parameters", "parameters that")):
        page.select_option("#x-metric", name)
        assert words in title.text_content()
    assert page.evaluate("document.getElementById('front-plot').layout.xaxis.type") == "log"
    page.uncheck("#x-log")
    assert page.evaluate("document.getElementById('front-plot').layout.xaxis.type") == "linear"
    page.select_option("#y-metric", "recall")
    assert page.locator("#y-log").is_disabled()
    assert "more is better" in page.locator("#front-plot .ytitle").text_content()


def test_kinds_of_trials_are_shown_and_hidden(page: Any, report: Path) -> None:
    def drawn() -> set[str]:
        return {status for _, status, _, _ in page.evaluate(PLACES)}

    assert drawn() == {"front", "dominated", "stopped", "failed", "refused"}
    assert len(page.evaluate(PLACES)) == NUM_TRIALS - len(of_status(report, "noise"))
    for status in ("dominated", "stopped", "failed", "refused"):
        page.uncheck(f"#show-{status}")
    assert drawn() == {"front"}
    page.check("#show-noise")
    page.check("#show-screened")
    assert drawn() == {"front", "noise", "screened"}
    assert "Screened compressions have no FID" in page.locator("#front-text").inner_text()


def test_the_line_joins_what_nothing_beats_and_intervals_are_drawn(
    page: Any, report: Path
) -> None:
    front = sorted(of_status(report, "front"), key=lambda trial: trial["scores"]["size_bytes"])
    (line,) = page.evaluate(
        "document.getElementById('front-plot').data.filter((t) => t.mode === 'lines')"
    )
    assert line["x"] == [trial["scores"]["size_bytes"] for trial in front]
    assert page.locator("#front-plot .errorbar path.yerror").count() == len(front)
    page.uncheck("#intervals")
    assert page.locator("#front-plot .errorbar path.yerror").count() == 0


def test_the_table_filters_and_sorts(page: Any, report: Path) -> None:
    rows = page.locator("#table tbody tr")
    assert rows.count() == NUM_TRIALS
    page.fill("#filter", "weights8 12-32")
    names = [trial.get("name", "") for trial in data_of(report)["trials"]]
    expected = sum("weights8" in name and "12-32" in name for name in names)
    assert 0 < expected < NUM_TRIALS
    assert rows.count() == expected
    assert f"{expected} of {NUM_TRIALS} trials" in page.locator("#found").inner_text()
    page.fill("#filter", "")
    page.select_option("#which", "stopped")
    assert rows.count() == len(of_status(report, "stopped"))
    page.select_option("#which", "all")
    fids = [trial["scores"]["fid"] for trial in data_of(report)["trials"] if "images" in trial]
    for fid, order in ((min(fids), "ascending"), (max(fids), "descending")):
        page.click("#by-fid")
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == order
        first = page.evaluate("BY_NUMBER.get(foundTrials()[0].trial).scores.fid")
        assert first == fid
        assert page.evaluate("document.activeElement.id") == "by-fid"


@pytest.mark.parametrize(
    ("rule", "most", "limit", "least"),
    [
        ("fid", "15", "fid", "size_bytes"),
        ("size_bytes", "100 kB", "size_bytes", "fid"),
        ("size_bytes", "0.1M", "size_bytes", "fid"),
        ("latency_ms", "9.5", "latency_ms", "fid"),
        ("parameters", "85,892", "parameters", "fid"),
    ],
)
def test_the_picker_names_the_best_model_within_a_limit(
    rule: str, most: str, limit: str, least: str, page: Any, report: Path
) -> None:
    page.select_option("#rule", rule)
    page.fill("#most", most)
    value = {"15": 15, "100 kB": 1e5, "0.1M": 1e5, "9.5": 9.5, "85,892": 85_892}[most]
    within = [t for t in of_status(report, "front") if t["scores"][limit] <= value]
    expected = min(within, key=lambda trial: trial["scores"][least])
    assert page.locator("#picked-name").inner_text() == f"Point {expected['point']}"
    commands = data_of(report)["commands"][str(expected["trial"])]
    assert page.locator("#picked pre").inner_text() in commands.values()
    assert page.locator(".card.picked").get_attribute("id") == f"card-{expected['trial']}"


def test_the_picker_finds_the_recommended_model_and_the_knee(page: Any, report: Path) -> None:
    data = data_of(report)
    by_number = {trial["trial"]: trial for trial in data["trials"]}
    recommended = f"Point {by_number[data['pick']]['point']}"
    assert page.locator("#picked-name").inner_text() == recommended
    places = [[0, 100, 100], [1, 200, 20], [2, 400, 18], [3, 800, 15]]
    trials = "places.map(([trial, size_bytes, fid]) => ({trial, scores: {size_bytes, fid}}))"
    assert page.evaluate(f"(places) => kneeOf({trials}).trial", places) == 1
    page.select_option("#rule", "knee")
    assert page.locator("#picked-name").inner_text().startswith("Point ")


def test_the_picker_says_why_it_names_none(page: Any) -> None:
    page.select_option("#rule", "fid")
    page.fill("#most", "0.001")
    assert "No model of the front has at most 0.001" in page.locator("#picked").inner_text()
    page.fill("#most", "15 apples")
    assert "“15 apples” is no figure" in page.locator("#picked").inner_text()
    assert page.locator(".card.picked").count() == 0


def test_the_plot_is_gone_through_by_keys(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "front-box":
            break
    else:
        raise AssertionError("no tab stop at the plot")
    places = page.evaluate(PLACES)
    said = page.locator("#front-said")
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("End", len(places) - 1)):
        page.keyboard.press(key)
        assert said.inner_text().endswith(f"{place + 1} of {len(places)}.")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#dialog").is_visible()
    assert f"Trial {places[0][0]}, " in page.locator("#dialog").inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "front-box"
    page.keyboard.press("+")
    assert len(page.evaluate(PLACES)) < len(places)
    page.keyboard.press("0")
    assert len(page.evaluate(PLACES)) == len(places)


def test_a_drag_zooms_and_the_whole_view_comes_back(page: Any) -> None:
    page.locator("#front-box").scroll_into_view_if_needed()
    count = len(page.evaluate(PLACES))
    box = page.locator("#front-plot").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 300, steps=5)
    page.mouse.up()
    assert 0 < len(page.evaluate(PLACES)) < count
    page.click("#reset-zoom")
    assert len(page.evaluate(PLACES)) == count


def test_the_course_the_knobs_and_the_trainings_are_drawn(page: Any, report: Path) -> None:
    data = data_of(report)
    page.locator("#course").scroll_into_view_if_needed()
    page.wait_for_selector("#course-plot .scatterlayer path.point")
    page.select_option("#course-x", "time")
    assert "time" in page.locator("#course-plot .xtitle").text_content()
    page.select_option("#knobs-metric", "size_bytes")
    shares = next(e for e in data["importances"] if e["metric"] == "size_bytes")["shares"]
    assert page.locator("#knobs-table tbody tr").count() == len(shares)
    page.select_option("#knobs-metric", "macs")
    assert (
        "cannot be had: all trials have the same value" in page.locator("#knobs-text").inner_text()
    )
    page.locator("#trainings").scroll_into_view_if_needed()
    page.wait_for_selector("#trainings-plot .scatterlayer path.point")
    points = sum(len(curve["points"]) for curve in data["curves"])
    assert page.locator("#trainings-plot .scatterlayer path.point").count() == points


def test_a_table_of_many_trials_is_shown_in_parts(browser: Any, tmp_path: Path) -> None:
    records = [record(number) for number in range(230)]
    with opened(browser, report_of(run_of(tmp_path, records, data=vars(DATA))).as_uri()) as page:
        for rows in (100, 200, 230):
            assert page.locator("#table tbody tr").count() == rows
            if rows < 230:
                page.click("#more")
        assert page.locator("#more").is_hidden()


def test_names_with_markup_in_them_are_text(browser: Any, tmp_path: Path) -> None:
    text = "</script><img src=x onerror=alert(1)><b>"
    folder = tmp_path / "<b>bold"
    records = [record(0), TrialRecord(1, "failed", None, None, text)]
    run = run_of(folder, records, data=vars(DATA), space=text)
    folder.mkdir()
    with opened(browser, report_of(run).as_uri()) as page:
        assert page.locator("h1").inner_text() == "<b>bold"
        assert text in page.locator("#facts").inner_text()
        page.locator("#row-1 button").click()
        assert text in page.locator("#dialog").inner_text()
        assert page.locator("b, img[src=x]").count() == 0


@pytest.mark.parametrize(
    ("records", "said"),
    [([], "No trial has begun yet."), ([TrialRecord(0, "running", None)], "so there is no front")],
)
def test_a_run_without_a_front_opens_and_says_so(
    records: list[TrialRecord], said: str, browser: Any, tmp_path: Path
) -> None:
    page_path = report_of(run_of(tmp_path, records, data=vars(DATA)), is_live=True)
    with opened(browser, page_path.as_uri(), "phone", "dark") as page:
        assert said in page.locator("#notes").inner_text()
        assert "There is no front yet." in page.locator("#picked").inner_text()
        assert violations(page) == []


def test_a_served_report_follows_its_file_and_keeps_the_view(browser: Any, tmp_path: Path) -> None:
    records = [record(number) for number in range(20)]
    path = report_of(run_of(tmp_path, records, data=vars(DATA)), is_live=True)
    with serving(path) as url, opened(browser, url) as page:
        page.select_option("#x-metric", "latency_ms")
        page.uncheck("#show-failed")
        page.fill("#filter", "12-32")
        page.locator("#knobs").scroll_into_view_if_needed()
        scrolled = page.evaluate("scrollY")
        records += [record(number) for number in range(20, 30)]
        report_of(run_of(tmp_path, records, data=vars(DATA)))
        page.locator("#found", has_text="of 30 trials").wait_for()
        page.wait_for_selector("html[data-ready]")
        assert page.locator(".pill").inner_text() == "ended"
        assert page.locator("#x-metric").input_value() == "latency_ms"
        assert not page.is_checked("#show-failed")
        assert page.locator("#filter").input_value() == "12-32"
        assert abs(page.evaluate("scrollY") - scrolled) < 200
