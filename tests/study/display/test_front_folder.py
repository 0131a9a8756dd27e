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
from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.display.front_folder import write_front
from study.results.dominance import non_dominated
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
