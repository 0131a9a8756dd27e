"""The verification: real Ray and files; only what a trial and its rescoring do is injected."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import injected
import pytest
from report_runs import data_of
from small_space import small_space

from study import verify
from study.commands.verify import go_on_command
from study.evaluation.context import RunContext
from study.results.objectives import Scores
from study.run.packages import UNSOUND
from study.run.run import Run
from study.run.settings import RunSettings, save_settings
from study.verification.file import Verification

pytestmark = pytest.mark.timeout(1800)  # several starts of Ray, on a busy machine too

INJECTED = Path(injected.__file__)


def search(*arguments: str) -> str:
    command = [sys.executable, str(INJECTED), "tabulated", *arguments]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    return out.stdout


def front(run: Path) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = json.loads((run / "front" / "front.json").read_text())["points"]
    return points


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, ray_folder: None) -> tuple[Path, str]:
    """A finished search, verified at its end, and what it printed."""
    out = tmp_path_factory.mktemp("runs")
    return out / "run", search("--trials", "18", "--out", str(out), "--name", "run")


def test_a_search_ends_in_a_short_verification(searched: tuple[Path, str]) -> None:
    run, printed = searched
    assert "3 x 1,000 images each" in printed
    assert "on front" in printed
    points = front(run)
    assert points
    for point in points:
        assert point["verified_seeds"] == 3
        assert point["fid_num_images"] == 1_000
        assert point["latency_ms"] == 0.125
        assert point["label_agreement"] == 0.75
        assert 0 < point["front_probability"] <= 1
        folder = (run / point["package_path"]).parent
        kept = json.loads((folder / "verified.json").read_text())
        fids = [scores["fid"] for scores in kept["seeds"]["1000"].values()]
        assert point["fid"] == pytest.approx(sum(fids) / 3)
        assert "3 x 1,000 images" in (folder / "README.md").read_text()


def test_a_search_says_how_far_its_verification_is(searched: tuple[Path, str]) -> None:
    _, printed = searched
    lines = [line for line in printed.splitlines() if line.startswith("drawing again: ")]
    assert len(lines) > 1
    total = lines[-1].split()[-1]
    assert lines[-1] == f"drawing again: {total} of {total}"


@pytest.mark.slow
def test_a_verification_goes_on_with_what_is_missing_and_replaces_the_front(
    searched: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = searched
    asked = [str(run), "--images", "2000", "--seeds", "4"]
    late = [*asked, "--time-budget", "0.001s"]
    assert verify.main(late, injected.rescored, injected.timed) == 1
    printed = capsys.readouterr().out
    assert "the time is up: " in printed
    assert "not verified, so the front stays that of 1,000 images" in printed
    assert f"go on with: python -m study.verify {' '.join(asked)}\n" in printed
    assert {(p["verified_seeds"], p["fid_num_images"]) for p in front(run)} == {(3, 1_000)}

    assert verify.main(asked, injected.rescored, injected.timed) == 0
    points = front(run)
    assert {(p["verified_seeds"], p["fid_num_images"]) for p in points} == {(4, 2_000)}
    assert "FID of 4 x 2,000 images" in capsys.readouterr().out
    before = Verification.load(Run.read(run))

    def never(*_: object) -> Any:
        raise AssertionError("scored twice")

    assert verify.main(asked, never, never) == 0
    assert Verification.load(Run.read(run)).points == before.points
    folder = (run / points[0]["package_path"]).parent
    kept = json.loads((folder / "verified.json").read_text())["seeds"]
    assert {count: len(found) for count, found in kept.items()} == {"1000": 3, "2000": 4}


@pytest.mark.slow
def test_a_run_whose_models_all_turn_out_worse_than_noise_says_so(
    searched: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(searched[0], run)
    rescored = injected.rescored

    def worse(trial_dir: Path, seed: int, context: RunContext) -> Scores:
        return {**rescored(trial_dir, seed, context), "fid": 714.0, "fid_noise": 700.0}

    assert verify.main([str(run), "--images", "5000"], worse, injected.timed) == 1
    reason = "fid 714.0 is worse than uniform noise's 700.0"
    printed = capsys.readouterr().out
    assert f"no trial keeps to the limits (the last: {reason}), so there is no front" in printed
    assert "not verified" not in printed
    assert front(run) == []
    trials = data_of(run / "report.html")["trials"]
    assert sum(trial.get("reason") == reason for trial in trials) == 18
    # Once more, when nothing is within reach.
    assert verify.main([str(run), "--images", "5000"], worse, injected.timed) == 1
    assert "no trial keeps to the limits" in capsys.readouterr().out


@pytest.mark.slow
def test_a_file_that_cannot_be_read_leaves_the_front_with_its_reason(
    searched: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(searched[0], run)
    victim = front(run)[0]["trial"]
    (run / "trials" / str(victim) / injected.FAULT).write_text(injected.NO_MODEL)
    assert verify.main([str(run), "--images", "3000"], injected.rescored, injected.timed) == 0
    reason = f"trial {victim} cannot be scored again: PackageError: no model"
    assert reason in capsys.readouterr().out
    assert victim not in {point["trial"] for point in front(run)}


@pytest.mark.slow
def test_what_is_no_fault_of_a_model_leaves_the_others_scored_and_can_be_mended(
    searched: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = searched
    before = [point["trial"] for point in front(run)]
    victim = before[-1]
    fault = run / "trials" / str(victim) / injected.FAULT
    asked = [str(run), "--images", "4000"]
    fault.write_text("no data")
    try:
        assert verify.main(asked, injected.rescored, injected.timed) == 1
    finally:
        fault.unlink()
    printed = capsys.readouterr().out
    assert f"scoring failed this time, of trials {victim}: OSError: no data" in printed
    assert f"go on with: python -m study.verify {' '.join(asked)}\n" in printed
    assert [point["trial"] for point in front(run)] == before
    points = Verification.load(Run.read(run)).points
    assert all(len(points[n].scores(4_000)) == (0 if n == victim else 3) for n in before)
    assert verify.main(asked, injected.rescored, injected.timed) == 0
    assert victim in {point["trial"] for point in front(run)}


@pytest.mark.slow
def test_models_that_are_not_what_was_scored_are_on_no_front(
    searched: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(searched[0], run)
    before = [point["trial"] for point in front(run)]
    first, last = (run / "trials" / str(before[place]) / "model.pdm" for place in (0, -1))
    wholes = first.read_text(), last.read_text()
    first.write_text(wholes[1])
    last.write_text(wholes[0])
    asked = [str(run), "--images", "1000"]
    assert verify.main(asked, injected.rescored, injected.timed) == 1
    printed = capsys.readouterr().out
    for number in (before[0], before[-1]):
        line = f"trial {number} is left out of the front: {UNSOUND}\n"
        assert line in printed
    assert not {before[0], before[-1]} & {point["trial"] for point in front(run)}
    first.write_text(wholes[0])
    last.write_text(wholes[1])
    assert verify.main(asked, injected.rescored, injected.timed) == 0
    assert [point["trial"] for point in front(run)] == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--all"],
        ["--images", "2000", "--seeds", "5", "--replicates", "2", "--data-dir", "/a b"],
        ["--address", "local"],
        ["--address", "10.0.0.1:6379", "--insecure"],
    ],
)
def test_the_command_to_go_on_asks_for_the_same(arguments: list[str], tmp_path: Path) -> None:
    run = tmp_path / "my run"
    given = verify.build_parser().parse_args([str(run), *arguments, "--time-budget", "1s"])
    _, _, module, *words = shlex.split(go_on_command(run, given))
    assert module == "study.verify"
    again = verify.build_parser().parse_args([*words, "--time-budget", "1s"])
    assert again == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "2"], "--seeds is 2; allowed: 3 or more"),
        (["--images", "0"], "--images: '0'; allowed: a whole number from 1 to 100,000"),
        (["--replicates", "-1"], "allowed"),
        ([], "is no run of a study"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert message in refused(lambda: verify.main([str(tmp_path), *arguments]))


def test_fewer_images_than_the_searchs_are_refused(
    tmp_path: Path, settings: RunSettings, refused: Callable[..., str]
) -> None:
    save_settings(tmp_path, replace(settings, fid_num_images=500))
    line = refused(lambda: verify.main([str(tmp_path), "--images", "499"]))
    assert "--images is 499; allowed: 500 or more" in line


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_real_models_are_drawn_from_and_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--trials", "2", "--train-images", "8000", "--out", str(tmp_path), "--name", "r"]
    command = [sys.executable, "-m", "study.search", *arguments, *small_space(tmp_path)]
    subprocess.run([*command, "--no-verify"], check=True)
    run = tmp_path / "r"
    searched = {point["trial"]: point for point in front(run)}
    assert verify.main([str(run), "--images", "500", "--replicates", "1"]) == 0
    assert "over trainings" in capsys.readouterr().out
    for point in front(run):
        folder = (run / point["package_path"]).parent
        seeds = json.loads((folder / "verified.json").read_text())["seeds"]["500"]
        fids = [scores["fid"] for scores in seeds.values()]
        assert len(set(fids)) == 3, "every seed draws other images"
        assert point["fid"] == pytest.approx(sum(fids) / 3)
        assert point["fid_low"] < point["fid"] < point["fid_high"]
        assert point["trainings"] == 2
        assert point["fid_trainings_deviation"] > 0
        if point["trial"] in searched:
            assert point["size_bytes"] == searched[point["trial"]]["size_bytes"]
        replicate = run / "replicates" / f"{point['trial']}-1" / "recipe.json"
        recipe = json.loads(replicate.read_text())
        assert recipe["training"]["seed"] == 1_000
