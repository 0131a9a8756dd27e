"""What becomes of trials in a page's data, part by part."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_runs import DATA, record, write_samples
from small_run import run_of

from diffusion.recipe import Recipe
from study.display.report.class_names import class_names_of
from study.display.report.conditions import Conditions
from study.display.report.curves import curves_of
from study.display.report.embedding import embedded_json
from study.display.report.entries import status_of
from study.display.report.metrics import figures
from study.display.report.pictures import MOST_BYTES, pictures_of
from study.display.report.screened import MOST, screened_of
from study.results.front import front_rows
from study.results.records import TrialRecord
from study.results.screenings import Screening


@pytest.mark.parametrize(
    ("state", "feasible", "fid", "status"),
    [
        ("complete", True, 5.0, "dominated"),
        ("complete", False, 5.0, "over"),
        ("complete", False, 751.0, "noise"),
        ("pruned", True, None, "stopped"),
        ("failed", True, None, "failed"),
        ("infeasible", True, None, "refused"),
        ("running", True, None, "running"),
    ],
)
def test_each_trial_is_of_one_status(
    state: Any, feasible: bool, fid: float | None, status: str
) -> None:
    scores = None if fid is None else {"fid": fid, "fid_noise": 691.0}
    trial = TrialRecord(4, state, None, scores, feasible=feasible)
    assert status_of(trial, {}) == status
    assert status_of(trial, {4: {}}) == "front"


def test_figures_are_finite_numbers_of_few_digits() -> None:
    scores = {"fid": 12.3456789, "kid": math.nan, "recall": math.inf, "macs": 6_048_512}
    assert figures({**scores, "precision": "0.5", "ssim": None, "other": 1.0}) == {
        "fid": 12.3457,
        "macs": 6_048_512,
    }


def test_conditions_are_kept_once() -> None:
    conditions = Conditions()
    places = [
        conditions.place({"fid": fid, "fid_num_images": images, "fid_floor": 2.0})
        for fid, images in ((1.0, 500), (2.0, 500), (3.0, 1_000), (4.0, 500))
    ]
    assert places == [0, 0, 1, 0]
    assert [each["floors"] for each in conditions.found] == [{"fid": 2.0}] * 2


def test_curves_are_the_rungs_by_images(digit_recipe: Recipe) -> None:
    rungs = {32_000: {"fid": 20.0, "fid_num_images": 200}, 16_000: {"fid": 90.0}, 48_000: {}}
    trials = [
        TrialRecord(0, "pruned", digit_recipe, None, "slow", rungs=rungs),
        TrialRecord(1, "complete", digit_recipe, {"fid": 3.0}),
    ]
    (curve,) = curves_of(trials, {})
    assert curve["points"] == [[16_000, 90.0], [32_000, 20.0]]
    assert (curve["trial"], curve["status"]) == (0, "stopped")


def test_of_many_screened_compressions_those_that_change_least_are_kept() -> None:
    exact = {"size_bytes": 10, "macs": 1, "parameters": 2, "nonzero_parameters": 2}
    each = [
        Screening(
            {"compression.prune_ratio": 0.123456, "sampling.steps": 8}, float(n), scores=exact
        )
        for n in range(MOST + 5)
    ]
    refused = Screening({}, None, reason="nothing is left")
    found = screened_of([TrialRecord(3, "complete", None, screened=(*each[::-1], refused))])
    assert (found["total"], found["refused"]) == (MOST + 6, 1)
    assert len(found["rows"]) == len(found["names"]) == MOST
    assert found["rows"][0] == [3, 0.0, 10, 1, 2, 2]
    assert found["rows"][-1][1] == MOST - 1
    assert found["names"][0] == "prune_ratio 0.123"


@pytest.mark.parametrize("kept", ["names", "too few", "no JSON", None])
def test_class_names_are_those_beside_a_model_else_the_labels(
    kept: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "trials" / "4"
    folder.mkdir(parents=True)
    names = [f"<{label}>" for label in range(10)]
    contents = {"names": json.dumps(names), "too few": '["cat"]', "no JSON": "{"}
    if kept is not None:
        (folder / "classes.json").write_text(contents[kept])
    found, notes = class_names_of(run_of(tmp_path, data=vars(DATA)), [4])
    assert found == (names if kept == "names" else list(map(str, range(10))))
    assert len(notes) == (kept in ("too few", "no JSON"))


def test_pictures_fit_into_their_share_of_the_page_the_front_s_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record(number) for number in range(10)]
    for each in records:
        write_samples(tmp_path / "trials" / str(each.number))
    run = run_of(tmp_path, records, data=vars(DATA))
    front = {row["trial"]: row for row in front_rows(run.records, run.objectives)}
    every, _ = pictures_of(run, front)
    assert every.keys() == {each.number for each in run.complete()}
    assert {number for number, picture in every.items() if "sheet" in picture} == front.keys()
    needed = sum(len(every[number][part]) for number in front for part in ("strip", "sheet"))
    assert needed < MOST_BYTES
    monkeypatch.setattr("study.display.report.pictures.MOST_BYTES", needed)
    some, notes = pictures_of(run, front)
    assert some.keys() == front.keys()
    assert notes == []


def test_no_text_ends_the_element_of_the_data() -> None:
    values = {"a": "</script>", "b": "<!--", "c": "&lt;", "d": "\u2028"}
    text = embedded_json(values)
    assert json.loads(text) == values
    assert not set("<>&\u2028") & set(text)


def test_a_value_that_is_no_number_of_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        embedded_json({"fid": math.nan})


def test_a_trial_of_the_front_that_is_not_there_any_more_keeps_nothing_else_back(
    tmp_path: Path,
) -> None:
    records = [replace(record(number), rungs={}) for number in (0, 1)]
    pictures, notes = pictures_of(run_of(tmp_path, records, data=vars(DATA)), {})
    assert (pictures, notes) == ({}, [])
