"""A real study that is logged: killed and gone on with, and beside a server that is away."""

import json
import shutil
from pathlib import Path

import processes
import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from test_search import command, records, search

AWAY = "mlflow:http://127.0.0.1:9"


@pytest.mark.slow
def test_a_killed_study_goes_on_logging_one_run_a_trial(tmp_path: Path) -> None:
    run = tmp_path / "logged"
    begun = command("slow", "--trials", "8", "--out", str(tmp_path), "--name", run.name)
    with processes.running([*begun, "--log", "tensorboard", "--log", AWAY]) as process:
        processes.wait_until(process, lambda: processes.lines(run / "starts.txt") > 3)
        processes.kill(processes.tree(process.pid))
    known = json.loads((run / "run.json").read_text())
    assert known["loggers"] == ["tensorboard", AWAY]
    out = search("slow", "--resume", str(run))
    assert out.returncode == 0, out.stderr
    assert json.loads((run / "run.json").read_text()) == known
    finished = [record.number for record in records(run) if record.finished]
    assert len(finished) == 8
    runs = EventMultiplexer().AddRunsFromDirectory(str(run / "tensorboard"))
    runs.Reload()
    assert sorted(runs.Runs()) == [f"trial-{number:03}" for number in finished]
    assert all("fid" in found["scalars"] for found in runs.Runs().values())
    assert out.stdout.count("mlflow logs no more of the study") == 1
    assert "mlflow logs no more of the study: MlflowException: " in out.stdout
    assert "Traceback" not in out.stderr

    shutil.rmtree(run / "tensorboard")
    out = search("slow", "--resume", str(run), "--trials", "9", "--log", "none")
    assert out.returncode == 0, out.stderr
    assert not (run / "tensorboard").exists()
    assert "mlflow" not in out.stdout
