"""MLflow's store holds a run a trial, and a server that is away costs the study nothing."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_trials import TRACKING_ID, Said, log_cut_off, log_to_end, logged_run
from mlflow import MlflowClient

from diffusion.recipe import Recipe
from study.trackers.tracking import tracking

pytestmark = pytest.mark.slow  # MLflow takes seconds to make a store


def test_a_trial_of_two_sessions_is_one_run(tmp_path: Path, digit_recipe: Recipe) -> None:
    run, said = logged_run(tmp_path / "digits", "mlflow"), Said()
    log_cut_off(run, digit_recipe, said)
    client = MlflowClient(f"sqlite:///{run.folder}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    (cut_off,) = client.search_runs([experiment.experiment_id])
    assert cut_off.info.status == "KILLED"
    log_to_end(run, digit_recipe, said)
    assert said.lines == []
    second, first = client.search_runs([experiment.experiment_id])
    assert first.info.run_id == cut_off.info.run_id
    assert (first.info.run_name, first.info.status) == ("digits trial 0", "FINISHED")
    assert first.data.params["network.widths"] == "8-16"
    assert first.data.params["training.train_images"] == "64"
    assert (first.data.metrics["fid"], first.data.metrics["fid_num_images"]) == (12.5, 500)
    curve = client.get_metric_history(first.info.run_id, "training/fid")
    assert [(point.step, point.value) for point in curve] == [(32, 80.0), (64, 40.0)]
    assert first.data.tags["extractor"] == "digits"
    assert [file.path for file in client.list_artifacts(first.info.run_id)] == ["samples.png"]
    assert first.info.artifact_uri.startswith((run.folder / "mlflow").as_uri())
    assert second.info.status == "FAILED"
    assert second.data.tags["reason"] == "boom <b>"
    assert second.data.tags["paretodiff.study"] == TRACKING_ID


def test_another_study_of_the_same_name_has_runs_of_its_own(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    store = f"mlflow:sqlite:///{tmp_path}/shared.db"
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        run = logged_run(tmp_path / place / "digits", store)
        changed = "f" * 16 if place == "there" else TRACKING_ID
        object.__setattr__(run.settings, "tracking_id", changed)
        log_to_end(run, digit_recipe, Said())
    client = MlflowClient(f"sqlite:///{tmp_path}/shared.db")
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len({run.data.tags["paretodiff.study"] for run in runs}) == 2
    assert len(runs) == 4


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_is_away_is_said_once_and_never_waited_for(
    tmp_path: Path, digit_recipe: Recipe, deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    run, said = logged_run(tmp_path / "digits", f"mlflow:http://127.0.0.1:{deaf_port}"), Said()
    with tracking(run, said) as (tracker,):
        before = time.thread_time()
        for _ in range(500):
            tracker.on_rung(0, 32, {"fid": 80.0})
        assert time.thread_time() - before < 1  # of this thread alone, whatever else runs
        assert said.lines == []  # it still waits for the first answer
    (line,) = said.lines
    assert line.startswith("mlflow logs no more of the study: MlflowException: ")
