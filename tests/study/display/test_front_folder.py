"""The front is exactly the trials that no other one dominates, and its files agree."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import run_of

from diffusion.recipe import Recipe
from study.display.front_folder import write_front
from study.results.dominance import non_dominated
from study.results.front import front_records, front_rows
from study.results.records import TrialRecord

OBJECTIVES = ("fid", "size_bytes")
COLUMNS = [
    "rank",
    "trial",
    "architecture",
    "groups",
    "ema",
    "prune_method",
    "prune_region",
    "prune_ratio",
    "quantization",
    "parameters",
    "nonzero_parameters",
    "macs",
    "size_bytes",
    "gzip_state_dict_bytes",
    "fid",
    "fid_held_out",
    "fid_num_images",
    "fid_low",
    "fid_high",
    "latency_ms",
    "train_images",
    "train_seconds",
    "backbone_key",
    "package_path",
]


def naive_front(values: list[tuple[float, ...]]) -> list[int]:
    def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

    return [i for i, b in enumerate(values) if not any(dominates(a, b) for a in values)]


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.tuples(*[st.integers(0, 6).map(float)] * width), max_size=30)
    )
)
def test_front_agrees_with_the_definition(values: list[tuple[float, ...]]) -> None:
    assert non_dominated(values) == naive_front(values)


def test_front_keeps_duplicates_and_all_of_a_staircase() -> None:
    assert non_dominated([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]) == [0, 1, 2]
    stairs = [[float(i), float(9 - i)] for i in range(10)]
    assert non_dominated(stairs) == list(range(10))
    assert non_dominated([]) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_front_refuses_values_that_are_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        non_dominated([[1.0, 3.0], [bad, 0.5], [3.0, 1.0]])


def test_only_complete_trials_reach_the_front(records: list[TrialRecord]) -> None:
    rows = front_rows(records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [2, 0]
    assert [row["rank"] for row in rows] == [1, 2]
    assert [row["size_bytes"] for row in rows] == [100, 400]


def test_a_maximised_objective_is_better_when_it_is_larger(digit_recipe: Recipe) -> None:
    shares = [(5.0, 0.2), (6.0, 0.9), (7.0, 0.5)]
    records = [
        TrialRecord(n, "complete", digit_recipe, {**fake_scores(fid, 100), "recall": recall})
        for n, (fid, recall) in enumerate(shares)
    ]
    rows = front_rows(records, ("fid", "recall"))
    assert [(row["trial"], row["recall"]) for row in rows] == [(0, 0.2), (1, 0.9)]
    assert [row["trial"] for row in front_rows(records, ("recall",))] == [1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.booleans()), max_size=12),
)
def test_the_front_is_that_of_the_trials_that_keep_to_the_limits(
    trials: list[tuple[int, int, bool]],
) -> None:
    records = [
        TrialRecord(n, "complete", None, {"fid": fid, "size_bytes": size}, feasible=feasible)
        for n, (fid, size, feasible) in enumerate(trials)
    ]
    kept = [record for record in records if record.feasible]
    found = front_records(records, OBJECTIVES)
    assert found == front_records(kept, OBJECTIVES)
    assert bool(found) == bool(kept)


def test_over_a_limit_and_stopped_early_trials_are_no_points(
    tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    small = replace(records[2], feasible=False)
    pruned = TrialRecord(6, "pruned", small.recipe, None, "behind")
    rows = write_front(run_of(tmp_path, [records[0], small, pruned]))
    assert [row["trial"] for row in rows] == [0]
    assert (tmp_path / "front" / "front.png").stat().st_size > 0


def test_written_front_agrees_in_all_its_forms(
    tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    rows = write_front(run_of(tmp_path, records))
    front = tmp_path / "front"
    content = json.loads((front / "front.json").read_text())
    table = pd.read_csv(front / "front.csv")
    parquet = pd.read_parquet(front / "front.parquet")
    assert content["run"] == tmp_path.name
    assert content["objectives"] == list(OBJECTIVES)
    assert content["points"] == rows
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    assert list(parquet.columns) == list(table.columns) == list(rows[0])
    np.testing.assert_allclose(table["fid"], [row["fid"] for row in rows])
    for row in rows:
        package = tmp_path / row["package_path"]
        assert package.read_bytes() == f"package {row['trial']}".encode()
        assert f"{row['size_bytes']:,} bytes" in (package.parent / "README.md").read_text()
    assert (front / "front.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_front_replaces_the_first_whole(
    tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    write_front(run_of(tmp_path, records))
    rows = write_front(run_of(tmp_path, records[:1]))
    assert [row["trial"] for row in rows] == [0]
    assert sorted(p.name for p in (tmp_path / "front").iterdir() if p.is_dir()) == ["01-0"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["front", "trials"]


def test_no_complete_trial_gives_an_empty_front(tmp_path: Path) -> None:
    assert write_front(run_of(tmp_path, [])) == []
    assert json.loads((tmp_path / "front" / "front.json").read_text())["points"] == []


@pytest.fixture
def records(digit_recipe: Recipe) -> list[TrialRecord]:
    """Trials 0 and 2 are the front; 1 is dominated; 3 failed; 4 runs; 5 cannot be built."""
    scores = [fake_scores(5.0, 400), fake_scores(9.0, 450), fake_scores(8.0, 100)]
    complete = [TrialRecord(n, "complete", digit_recipe, s) for n, s in enumerate(scores)]
    return [
        *complete,
        TrialRecord(3, "failed", digit_recipe, None, "diverged"),
        TrialRecord(4, "running", digit_recipe),
        TrialRecord(5, "infeasible", None, None, "groups"),
    ]


@pytest.fixture
def trial_folders(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "trials" / str(number)
        folder.mkdir(parents=True)
        (folder / "model.pdm").write_bytes(f"package {number}".encode())


def fake_scores(fid: float, size_bytes: int) -> dict[str, float | int]:
    return {
        "fid": fid,
        "fid_low": fid - 1,
        "fid_high": fid + 1,
        "fid_held_out": fid + 0.5,
        "fid_noise": 600.0,
        "fid_floor": 4.0,
        "fid_num_images": 500,
        "label_agreement": 0.9,
        "size_bytes": size_bytes,
        "gzip_state_dict_bytes": size_bytes + 1,
        "parameters": 10,
        "nonzero_parameters": 9,
        "macs": 100,
        "latency_ms": 1.5,
        "train_images": 64,
        "train_seconds": 2.0,
    }
