"""MLflow: an experiment a study, a run a trial, on a server or in a file of the run's folder."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from study.trackers.outcome import Knob, Outcome
from study.trackers.tracker import Tracker

# Long waits are MLflow's own choice, for clients that have nothing else to log to.
LIMITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
STUDY, TRIAL, STATE = "paretodiff.study", "paretodiff.trial", "paretodiff.state"
STATUSES = {"failed": "FAILED", "stopped early": "KILLED"}  # others: FINISHED
MOST_PARAMS, PAGE = 100, 1_000  # in one request


class MlflowTracker(Tracker):
    """Logs to a tracking server, or to runs/NAME/mlflow."""

    name = "mlflow"

    def __init__(
        self, run_dir: Path, tracking_id: str, tell: Callable[[str], None], uri: str | None = None
    ) -> None:
        """Begin with nothing to log; the arguments are as those of `Tracker`.

        Args:
            uri: of the server or store; None for $MLFLOW_TRACKING_URI, or a file without that.
        """
        self._uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
        super().__init__(run_dir, tracking_id, tell)

    def open(self) -> None:
        """Find the experiment and the runs of earlier sessions, or begin with none."""
        for name in ("mlflow", "urllib3.connectionpool"):  # what matters is raised
            logging.getLogger(name).setLevel(logging.ERROR)
        for name, value in LIMITS.items():
            os.environ.setdefault(name, value)
        self._client = MlflowClient(self._uri or self._own_store())
        self._experiment = self._find_experiment()
        self._runs = self._known_runs()
        self._open: set[str] = set()

    def begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        """Log the recipe's knobs as parameters."""
        if number not in self._runs:
            tags = {STUDY: self.tracking_id, TRIAL: str(number)}
            run = self._client.create_run(
                self._experiment, tags=tags, run_name=f"{self.run_dir.name} trial {number}"
            )
            self._runs[number] = run.info.run_id
        self._client.update_run(self._runs[number], status="RUNNING")
        self._open.add(self._runs[number])
        params = [Param(name, str(value)) for name, value in recipe_knobs.items()]
        for first in range(0, len(params), MOST_PARAMS):
            batch = params[first : first + MOST_PARAMS]
            self._client.log_batch(self._runs[number], params=batch)

    def add(self, number: int, values: Mapping[str, float], train_images: int) -> None:
        """Log points of curves."""
        now = round(1000 * time.time())
        metrics = [Metric(name, value, now, train_images) for name, value in values.items()]
        self._client.log_batch(self._runs[number], metrics=metrics)

    def end(self, number: int, outcome: Outcome) -> None:
        """Log the figures as metrics, their conditions as tags, and the picture."""
        run = self._runs[number]
        self.add(number, outcome.figures, round(outcome.figures.get("train_images", 0)))
        texts = {STATE: outcome.state, **outcome.conditions}
        self._client.log_batch(run, tags=[RunTag(name, text) for name, text in texts.items()])
        if outcome.picture is not None:
            self._client.log_artifact(run, str(outcome.picture))
        self._client.set_terminated(run, STATUSES.get(outcome.state, "FINISHED"))
        self._open.discard(run)

    def leave(self) -> None:
        """Say that the runs are cut off."""
        for run in self._open:
            self._client.set_terminated(run, "KILLED")

    def _own_store(self) -> str:
        folder = self.run_dir / "mlflow"
        folder.mkdir(exist_ok=True)
        return f"sqlite:///{folder / 'mlflow.db'}"

    def _find_experiment(self) -> str:
        name = self.run_dir.name
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        own = None if self._uri else (self.run_dir / "mlflow" / "artifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=own))

    def _known_runs(self) -> dict[int, str]:
        known: dict[int, str] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{STUDY}` = '{self.tracking_id}'",
                max_results=PAGE,
                page_token=token,
            )
            known |= {int(run.data.tags[TRIAL]): run.info.run_id for run in page}
            token = page.token
            if not token:
                return known
