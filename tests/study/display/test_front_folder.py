"""The front is exactly the trials that no other one dominates, and its files agree."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_run import run_of
from small_scores import fake_scores

from diffusion.files import write_bytes
from diffusion.recipe import Recipe
from study.display import front_folder
from study.display.front_folder import write_front
from study.display.own_files import remove_own
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


@pytest.mark.parametrize("name", ["front", ".front", ".front.old"])
def test_a_link_in_place_of_the_front_is_replaced_and_not_followed(
    name: str,
    tmp_path: Path,
    records: list[TrialRecord],
    trial_folders: None,
    outside: Path,
) -> None:
    (tmp_path / name).symlink_to(outside)
    write_front(run_of(tmp_path, records))
    assert (tmp_path / "front" / "front.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["front", "trials"]
    assert not (tmp_path / "front").is_symlink()
    assert [p.name for p in outside.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("linked", "target"),
    [
        ("trials", "."),
        ("trials/2", "."),
        ("trials/2/model.pdm", "secret"),
        ("trials/2/samples.png", "secret"),
        ("trials/2/verified.json", "missing"),
    ],
)
def test_a_link_in_a_trial_s_folder_is_refused_and_not_followed(
    linked: str,
    target: str,
    tmp_path: Path,
    records: list[TrialRecord],
    trial_folders: None,
    outside: Path,
) -> None:
    write_front(run_of(tmp_path, records[:1]))
    before = sorted(p.name for p in (tmp_path / "front").rglob("*"))
    path = tmp_path / linked
    remove_own(path)
    path.symlink_to(outside / target)
    with pytest.raises(ValueError, match=r"trial 2 is on the front, but .* is a link; allowed: "):
        write_front(run_of(tmp_path, records))
    assert sorted(p.name for p in (tmp_path / "front").rglob("*")) == before
    assert "hidden" not in [p.read_text() for p in (tmp_path / ".front").rglob("*.*")]


@pytest.mark.parametrize("missing", ["trials/2", "trials/2/model.pdm"])
def test_a_point_whose_file_is_missing_is_named_with_its_path_in_one_line(
    missing: str, tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    remove_own(tmp_path / missing)
    with pytest.raises(ValueError, match="trial 2 is on the front, but") as error:
        write_front(run_of(tmp_path, records))
    assert f"but {tmp_path / missing} is missing; allowed: " in str(error.value)
    assert "\n" not in str(error.value)


def test_of_a_trial_only_the_files_that_are_known_are_copied(
    tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    trial = tmp_path / "trials" / "2"
    for name in ("recipe.json", "scores.json", "verified.json", "log.txt", "core", ".hidden"):
        (trial / name).write_text(name)
    (trial / "more").mkdir()
    write_front(run_of(tmp_path, records))
    copied = sorted(p.name for p in (tmp_path / "front" / "01-2").iterdir())
    known = ["model.pdm", "recipe.json", "scores.json", "verified.json"]
    assert copied == ["README.md", *known]
    for name in known[1:]:
        assert (tmp_path / "front" / "01-2" / name).read_text() == name


def test_a_file_that_is_far_too_large_is_refused(
    tmp_path: Path, records: list[TrialRecord], trial_folders: None
) -> None:
    with (tmp_path / "trials" / "2" / "recipe.json").open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(ValueError, match=r"recipe\.json has 33,554,432 bytes; allowed: at most"):
        write_front(run_of(tmp_path, records))


def test_a_front_that_cannot_be_written_whole_leaves_the_former_one(
    tmp_path: Path,
    records: list[TrialRecord],
    trial_folders: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_front(run_of(tmp_path, records[:1]))

    def write_less(path: Path, content: bytes) -> None:
        if path.name == "front.csv":
            raise OSError("disk full")
        write_bytes(path, content)

    monkeypatch.setattr(front_folder, "write_bytes", write_less)
    with pytest.raises(OSError, match="disk full"):
        write_front(run_of(tmp_path, records))
    assert json.loads((tmp_path / "front" / "front.json").read_text())["points"][0]["trial"] == 0
    assert (tmp_path / "front" / "01-0" / "model.pdm").read_bytes() == b"package 0"


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
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody else's."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("hidden")
    return folder


@pytest.fixture
def trial_folders(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "trials" / str(number)
        folder.mkdir(parents=True)
        (folder / "model.pdm").write_bytes(f"package {number}".encode())
