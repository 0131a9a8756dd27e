"""What is scored again: what is near the front, also once models turn out to be over a limit."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from injected import tabulated
from rich.console import Console
from small_run import run_of

from study.cluster.resources import Resources
from study.evaluation.context import RunContext
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.settings import RunSettings
from study.verification.file import Plan, Verification
from study.verification.session import verify_briefly
from study.verification.verified import covers, verified_run
from study.verification.work import Verifier

# Each is far behind the one before, so that alone it is within reach.
SEARCHED = [(10.0, 100), (30.0, 110), (60.0, 120), (90.0, 130)]


@pytest.fixture
def records() -> list[TrialRecord]:
    return [
        TrialRecord(
            number,
            "complete",
            None,
            {"fid": fid, "fid_low": fid - 1, "fid_high": fid + 1, "size_bytes": size},
        )
        for number, (fid, size) in enumerate(SEARCHED)
    ]


@pytest.fixture
def verify(
    monkeypatch: pytest.MonkeyPatch,
    settings: RunSettings,
    records: list[TrialRecord],
    tmp_path: Path,
) -> Callable[..., tuple[Verification, str]]:
    """Verify a run without Ray, of which trials take this long an image, up to a deadline."""

    def run_tasks(
        work: Callable[[Any], Any], tasks: Sequence[Any], _: Resources, deadline: float | None
    ) -> Iterator[tuple[Any, Any]]:
        return ((task, work(task)) for task in tasks if not deadline or time.time() < deadline)

    monkeypatch.setattr("study.verification.work.run_tasks", run_tasks)

    def run(times: list[float], deadline: float | None = None) -> tuple[Verification, str]:
        def rescore(trial_dir: Path, seed: int, context: RunContext) -> Scores:
            return {"fid": SEARCHED[int(trial_dir.name)][0] + seed / 1e6}

        verification, out = Verification.new(tmp_path, Plan(1_000)), io.StringIO()
        verifier = Verifier(
            verification,
            RunContext.of(tmp_path, settings),
            Resources(1.0, 0.0, 1),
            tabulated,
            rescore,
            lambda trial_dir, context: times[int(trial_dir.name)],
            deadline,
        )
        for number in range(len(SEARCHED)):
            (tmp_path / "trials" / str(number)).mkdir(parents=True)
        limits = {"latency_ms": 5.0}
        verify_briefly(verifier, run_of(tmp_path, records, limits), Console(file=out, width=200))
        return verification, out.getvalue()

    return run


@pytest.mark.parametrize(
    ("times", "scored", "front"),
    [
        ([4, 4, 4, 4], {0}, [0]),
        ([6, 4, 4, 4], {0, 1}, [1]),
        ([6, 6, 4, 4], {0, 1, 2}, [2]),
        ([6, 6, 6, 6], {0, 1, 2, 3}, []),
    ],
)
def test_what_stood_behind_a_model_over_a_limit_is_scored_too(
    times: list[float],
    scored: set[int],
    front: list[int],
    verify: Callable[..., tuple[Verification, str]],
    records: list[TrialRecord],
    tmp_path: Path,
) -> None:
    verification, printed = verify(times)
    assert set(verification.points) == scored
    assert "not verified" not in printed
    limits = {"latency_ms": 5.0}
    assert covers(verification, run_of(tmp_path, records, limits))
    after = verified_run(run_of(tmp_path, records, limits)).records
    on_front = [r.number for r in after if (r.scores or {}).get("front_probability") == 1]
    assert on_front == front


def test_what_time_does_not_allow_leaves_the_front_of_the_search(
    verify: Callable[..., tuple[Verification, str]], records: list[TrialRecord], tmp_path: Path
) -> None:
    verification, printed = verify([4, 4, 4, 4], deadline=1.0)
    assert verification.missing_seeds(0) == verification.plan.seeds
    assert "1 of 1 trials within reach of the front are not verified" in printed
    assert "the front stays that of the search" in printed
    assert verified_run(run_of(tmp_path, records)).records == tuple(records)
