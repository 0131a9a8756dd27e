"""The command: real Ray, a real journal, real signals; only what a trial does is injected."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import processes
import pytest

from study.results.records import TrialRecord
from study.run.run import Run

pytestmark = pytest.mark.timeout(1800)  # several starts of Ray each, on a busy machine too

INJECTED = Path(__file__).parent / "injected.py"


def command(evaluate: str, *arguments: str, verify: bool = False) -> list[str]:
    last = [] if verify else ["--no-verify"]
    return [sys.executable, str(INJECTED), evaluate, *arguments, *last]


def search(
    evaluate: str, *arguments: str, verify: bool = False
) -> subprocess.CompletedProcess[str]:
    words = command(evaluate, *arguments, verify=verify)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def records(run: Path) -> list[TrialRecord]:
    return list(Run.read(run).records)


def front(run: Path) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = json.loads((run / "front" / "front.json").read_text())["points"]
    return points


def test_a_study_reaches_its_trials_and_leaves_a_whole_run_folder_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = secrets.token_hex(32)
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    out = search("tabulated", "--trials", "18", "--out", str(tmp_path), "--name", "whole")
    assert out.returncode == 0, out.stderr
    run = tmp_path / "whole"
    states = Counter(record.state for record in records(run))
    assert states["complete"] == 18
    assert states["running"] == states["failed"] == 0
    assert {path.name for path in run.iterdir()} == {
        *(".mark", "run.json", "study.journal", "backbones", "trials", "front", "report.html")
    }
    points = front(run)
    assert points
    assert f"python -m study.generate {run}/front/" in out.stdout
    assert "1 CPU each" in out.stdout
    for point in points:
        assert (run / point["package_path"]).exists()
    keys = [record.recipe.key for record in records(run) if record.recipe is not None]
    assert len(set(keys)) == len(keys), "a recipe ran twice"
    assert token not in out.stdout + out.stderr
    files = [path for path in run.rglob("*") if path.is_file()]
    assert [path for path in files if token.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_verification_that_fails_leaves_the_front_and_a_line_to_go_on_with(
    tmp_path: Path,
) -> None:
    arguments = ["--trials", "4", "--out", str(tmp_path), "--name", "mine"]
    out = search("unreachable", *arguments, verify=True)
    assert out.returncode == 1, out.stderr
    run = tmp_path / "mine"
    go_on = f"go on with: python -m study.verify {run}\n"
    assert "scoring failed this time, of trials 0: OSError: no data\n" in out.stdout
    assert go_on in out.stdout
    assert "4 of 4 trials finished, 0 failed" in out.stdout
    assert 0 in {point["trial"] for point in front(run)}
    assert (run / "report.html").exists()

    (run / "verified.json").write_text("{")
    shutil.rmtree(run / "front")
    (run / "report.html").unlink()
    out = search("unreachable", "--resume", str(run), verify=True)
    assert out.returncode == 1, out.stderr
    (line,) = [line for line in out.stdout.splitlines(True) if "verified.json" in line]
    assert line.startswith("verification failed: ValueError: ")
    assert line.endswith(go_on)
    assert 0 in {point["trial"] for point in front(run)}
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_failures_are_retried_then_recorded_with_reasons_and_the_study_goes_on(
    tmp_path: Path,
) -> None:
    arguments = ["--trials", "8", "--retries", "1", "--out", str(tmp_path), "--name", "bad"]
    out = search("failing", *arguments)
    assert out.returncode == 0, out.stderr
    run = tmp_path / "bad"
    reasons = {r.number: str(r.reason) for r in records(run) if r.state == "failed"}
    # Where a process died: its id is in the names of Ray's logs.
    failed = {n: re.sub(r" \(process \d+ on .+\)$", " (where)", r) for n, r in reasons.items()}
    assert failed == {
        1: "RuntimeError: boom",
        2: "fid is nan; allowed: a finite number",
        3: "its worker process died (where)",
        4: "size_bytes is None; allowed: a finite number",
        5: "TrainingDiverged: training diverged at step 7: loss nan",
        6: "OutOfMemory: DefaultCPUAllocator: can't allocate memory: you tried 1 TB",
    }
    assert "boom" in (run / "trials" / "1" / "log.txt").read_text()
    attempts = Counter(map(int, (run / "starts.txt").read_text().split()))
    assert {n: attempts[n] for n in failed} == {1: 2, 2: 1, 3: 2, 4: 1, 5: 1, 6: 2}
    assert not failed.keys() & {point["trial"] for point in front(run)}
    assert "trial 1 broke (RuntimeError: boom) and starts again" in out.stdout
    assert "trial 1 failed: RuntimeError: boom" in out.stdout


@pytest.mark.slow
def test_what_breaks_once_is_started_again(tmp_path: Path) -> None:
    out = search("shaky", "--trials", "4", "--out", str(tmp_path), "--name", "shaky")
    assert out.returncode == 0, out.stderr
    states = [r.state for r in records(tmp_path / "shaky") if r.state != "waiting"]
    assert states == ["complete"] * 4


@pytest.mark.slow
def test_a_full_disk_ends_the_study_with_one_line_and_a_resume_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "disk"
    arguments = ["--trials", "5", "--out", str(tmp_path), "--name", "disk"]
    (tmp_path / "full").touch()
    out = search("full", *arguments)
    assert out.returncode == 2
    (line,) = [line for line in out.stderr.splitlines() if "error" in line]
    assert "No space left on device" in line
    assert f"--resume {run}" in line
    before = [r for r in records(run) if r.state == "complete"]
    assert not [r.number for r in records(run) if r.state == "failed"]
    (tmp_path / "full").unlink()
    assert search("full", "--resume", str(run)).returncode == 0
    after = {r.number: r for r in records(run) if r.state == "complete"}
    assert len(after) == 5
    assert all(after[r.number] == r for r in before)


@pytest.mark.slow
def test_trials_that_fail_alike_halt_the_study_and_a_resume_begins_them_again(
    tmp_path: Path,
) -> None:
    run = tmp_path / "alike"
    arguments = ["--trials", "20", "--retries", "1", "--out", str(tmp_path), "--name", "alike"]
    out = search("hopeless", *arguments, "--concurrent-trials", "1")
    assert out.returncode == 2
    halt = "error: 3 trials in a row failed alike: RuntimeError: nothing works; mend that, then"
    go_on = f"go on with: python -m study.search --resume {run} --no-verify\n"
    assert f"{halt} {go_on}" in out.stderr
    assert (run / "report.html").exists()
    assert [r.state for r in records(run) if r.state != "waiting"] == ["running"] * 3
    assert search("tabulated", "--resume", str(run)).returncode == 0
    states = Counter(record.state for record in records(run))
    assert (states["complete"], states["failed"], states["running"]) == (20, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("evaluate", "line"),
    [
        ("hopeless", "no trial is complete, so there is no front"),
        (
            "noisy",
            "no trial keeps to the limits (the last: fid 700.0 is worse than uniform noise's "
            "600.0), so there is no front",
        ),
    ],
)
def test_a_study_without_a_front_ends_with_status_1_and_says_why(
    tmp_path: Path, evaluate: str, line: str
) -> None:
    arguments = ["--trials", "2", "--retries", "0", "--out", str(tmp_path), "--name", "none"]
    out = search(evaluate, *arguments)
    assert out.returncode == 1
    assert ("nothing works" in out.stdout) == (evaluate == "hopeless")
    assert line in out.stdout
    assert front(tmp_path / "none") == []


def interrupted(run: Path, sent: signal.Signals, trials: int) -> tuple[int, str]:
    """Start a slow study, send it a signal after some trials; return its status and output."""
    arguments = ["--out", str(run.parent), "--name", run.name, "--seed", "3"]
    arguments += ["--trials", str(trials), "--concurrent-trials", "2"]
    with processes.running(
        command("slow", *arguments), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        processes.wait_until(process, lambda: processes.lines(run / "starts.txt") >= 6)
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does: to the whole group
        else:
            process.send_signal(sent)
        output, _ = process.communicate()
    return process.returncode, output


@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_study_writes_its_front_and_resume_goes_on(
    tmp_path: Path, sent: signal.Signals
) -> None:
    run = tmp_path / "cut"
    status, output = interrupted(run, sent, 1_000)  # so many that none of them is the last
    assert status == 130
    assert f"--resume {run}" in output
    before = records(run)
    num_complete = sum(record.state == "complete" for record in before)
    assert num_complete >= 2
    assert front(run)

    trials = num_complete + 6
    out = search("slow", "--resume", str(run), "--trials", str(trials))
    assert out.returncode == 0, out.stderr
    assert_whole_after_resume(run, before, trials)


def assert_whole_after_resume(run: Path, before: Sequence[TrialRecord], trials: int) -> None:
    """What was begun came to its end; rows that were held may still be, if trials are too few."""
    after = records(run)
    held = {record.number for record in before if record.state == "running"}
    complete = {record.number: record for record in after if record.state == "complete"}
    assert len(complete) == trials
    starts = Counter((run / "starts.txt").read_text().split())
    for record in after:
        may_be_held = record.number in held and str(record.number) not in starts
        assert record.state in ("complete", "infeasible", "waiting") or may_be_held
    ended = [record for record in before if record.state == "complete"]
    for record in ended:
        assert complete[record.number] == record
        assert starts[str(record.number)] == 1, "a finished trial ran again"


@pytest.mark.slow
def test_the_time_budget_starts_nothing_after_its_end(tmp_path: Path) -> None:
    arguments = ["--trials", "500", "--time-budget", "30s", "--concurrent-trials", "2"]
    out = search("slow", *arguments, "--out", str(tmp_path), "--name", "late")
    assert out.returncode == 0, out.stderr
    complete = [r.number for r in records(tmp_path / "late") if r.state == "complete"]
    assert 0 < len(complete) <= 120, "two at once, of half a second each"
    starts = (tmp_path / "late" / "starts.txt").read_text().split()
    assert sorted(map(int, starts)) == complete, "what was begun has ended"


@pytest.mark.slow
def test_one_worker_and_one_seed_give_the_same_study_twice(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        arguments = ["--trials", "20", "--concurrent-trials", "1", "--seed", "7"]
        out = search("tabulated", *arguments, "--out", str(tmp_path), "--name", name)
        assert out.returncode == 0, out.stderr
        runs.append([(r.number, r.state, r.recipe, r.scores) for r in records(tmp_path / name)])
    assert runs[0] == runs[1]
