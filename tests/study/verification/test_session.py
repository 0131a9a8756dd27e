"""What is scored again, what is said of it, and how it ends: without Ray, all else is real."""

import errno
import functools
import io
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_run import SETTINGS, run_of

from diffusion.errors import DataUnavailable, PackageError, TrainingDiverged
from diffusion.recipe import Recipe
from study.cluster.resources import Resources
from study.evaluation.context import RunContext, TrialContext
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.verification.ending import Ending, attempt
from study.verification.file import Verification
from study.verification.point import Plan
from study.verification.session import Session
from study.verification.tasks import Work
from study.verification.verified import covers, verified_run
from study.verification.work import Verifier

# Each is far behind the one before, so that alone it is within reach.
SEARCHED = [(10.0, 100), (30.0, 110), (60.0, 120), (90.0, 130)]
LIMITS = {"latency_ms": 5.0}
PLAN = Plan(1_000)


@pytest.fixture
def records(digit_recipe: Recipe) -> list[TrialRecord]:
    return [
        TrialRecord(
            number,
            "complete",
            digit_recipe,
            {
                "fid": fid,
                "fid_low": fid - 1,
                "fid_high": fid + 1,
                "size_bytes": size,
                "latency_ms": 4.0,
            },
        )
        for number, (fid, size) in enumerate(SEARCHED)
    ]


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the tasks here, one after the other."""

    def run_tasks(
        work: Callable[[Any], Any],
        tasks: Sequence[Any],
        _: Resources,
        is_late: Callable[[], bool],
    ) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            if is_late():
                return
            try:
                yield task, work(task)
            except Exception as error:
                yield task, error

    monkeypatch.setattr("study.verification.work.run_tasks", run_tasks)


@dataclass
class Models:
    """Pretends the models of a run, and counts what is done to them.

    Attributes:
        times: of an image, by trial.
        fids: by trial, a little more for each seed.
        faults: raised when a trial is drawn from.
        training_faults: raised when a replicate is trained.
    """

    times: Sequence[float] = (4, 4, 4, 4)
    fids: Sequence[float] = tuple(fid for fid, _ in SEARCHED)
    faults: dict[int, BaseException] = field(default_factory=dict)
    training_faults: dict[int, Exception] = field(default_factory=dict)
    drawn: Counter[int] = field(default_factory=Counter)
    trained: Counter[int] = field(default_factory=Counter)

    def rescore(self, trial_dir: Path, seed: int, context: RunContext) -> Scores:
        number = int(trial_dir.name)
        self.drawn[number] += 1
        if number in self.faults:
            raise self.faults[number]
        fid = self.fids[number] + seed / 1e6
        interval = {"fid_low": fid - 1, "fid_high": fid + 1}
        return {"fid": fid, **interval, "fid_num_images": context.fid_num_images}

    def rescore_latency(self, trial_dir: Path, context: RunContext) -> float:
        return self.times[int(trial_dir.name)]

    def evaluate(self, recipe: Recipe, context: TrialContext) -> Scores:
        replicate = int(context.trial_dir.name.rpartition("-")[2])
        assert recipe.training.seed == 1_000 * replicate
        self.trained[replicate] += 1
        if replicate in self.training_faults:
            raise self.training_faults[replicate]
        return {"fid": 12.0, "fid_num_images": context.run.fid_num_images}


@dataclass
class Done:
    """A session that ended, what it left and what it printed."""

    ending: Ending
    verification: Verification
    printed: str


Verify = Callable[..., Done]


@pytest.fixture
def verify(records: list[TrialRecord], tmp_path: Path) -> Verify:
    """Verify the run, from its file, by one plan."""
    return functools.partial(_verify, tmp_path, records, LIMITS)


@pytest.fixture
def verify_without_limits(records: list[TrialRecord], tmp_path: Path) -> Verify:
    """Verify a run whose trials 0 and 1 are as large, and may take as long as they like."""
    near = {"fid": 10.5, "fid_low": 9.5, "fid_high": 11.5, "size_bytes": 100}
    records[1] = replace(records[1], scores={**(records[1].scores or {}), **near})
    return functools.partial(_verify, tmp_path, records, {})


def _verify(
    folder: Path,
    records: list[TrialRecord],
    limits: dict[str, float],
    models: Models,
    plan: Plan = PLAN,
    deadline: float | None = None,
    **options: Any,
) -> Done:
    verification = Verification.load(run_of(folder, records, limits))
    verifier = Verifier(
        verification,
        plan,
        RunContext.of(folder, SETTINGS),
        Resources(1.0, 0.0, 1),
        Work(models.evaluate, models.rescore, models.rescore_latency),
        deadline,
    )
    out = io.StringIO()
    ending = Session(verifier, Console(file=out, width=80), "GO ON", **options).run()
    return Done(ending, verification, out.getvalue())


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
    times: list[float], scored: set[int], front: list[int], verify: Verify
) -> None:
    done = verify(Models(times))
    assert done.ending == Ending.DONE
    assert set(done.verification.points) == scored
    assert "not verified" not in done.printed
    assert "GO ON" not in done.printed
    assert covers(done.verification, 1_000)
    after = verified_run(done.verification).records
    on_front = [r.number for r in after if (r.scores or {}).get("front_probability") == 1]
    assert on_front == front


@pytest.fixture
def two_near(records: list[TrialRecord]) -> None:
    """Let two trials be so near the front's only one that the search cannot tell."""
    for number, fid in ((1, 10.5), (2, 11.0)):
        near = {"fid": fid, "fid_low": fid - 1, "fid_high": fid + 1}
        scores = {**(records[number].scores or {}), **near}
        records[number] = replace(records[number], scores=scores)


@pytest.mark.usefixtures("two_near")
def test_what_is_near_is_drawn_once_and_again_only_where_that_leaves_it_near(
    verify: Verify,
) -> None:
    models = Models(fids=(10, 10.4, 60, 90))
    done = verify(models)
    assert done.ending == Ending.DONE
    assert models.drawn == {0: 3, 1: 3, 2: 1}
    assert [line for line in done.printed.splitlines() if line.startswith("verify")] == [
        "verify   1 trial, 3 x 1,000 images each; 2 near them, 1,000 images each at first",
        "verify   1 trial, 3 x 1,000 images each",
    ]
    after = {r.number: r.scores or {} for r in verified_run(done.verification).records}
    assert {n for n, scores in after.items() if "front_probability" in scores} == {0, 1}
    again = Models(fids=models.fids)
    assert verify(again).ending == Ending.DONE
    assert again.drawn == {}, "what fell is not drawn again"


@pytest.mark.usefixtures("two_near")
def test_a_first_seed_that_fails_in_passing_is_said_and_tried_another_time(
    verify: Verify,
) -> None:
    models = Models(fids=(10, 60, 60, 90), faults={1: DataUnavailable("gone")})
    done = verify(models)
    assert done.ending == Ending.FAILED
    assert models.drawn == {0: 3, 1: 1, 2: 1}
    assert "scoring failed this time, of trials 1: DataUnavailable: gone" in done.printed
    again = Models(fids=models.fids)
    assert verify(again).ending == Ending.DONE
    assert again.drawn == {1: 1}


def test_what_stood_behind_a_model_that_cannot_be_read_is_scored_too(verify: Verify) -> None:
    done = verify(Models(faults={0: PackageError("no model")}))
    assert done.ending == Ending.DONE
    assert "trial 0 cannot be scored again: PackageError: no model" in done.printed
    assert [record.number for record in verified_run(done.verification).front()] == [1]


def test_what_time_does_not_allow_leaves_the_front_of_the_search(
    verify: Verify, records: list[TrialRecord]
) -> None:
    done = verify(Models(), deadline=1.0)
    assert done.ending == Ending.TIME_UP
    assert done.verification.known(0).missing_seeds(PLAN) == PLAN.seeds
    assert (
        "the time is up: 1 of 1 trials within reach of the front are not verified, so the front "
        "stays that of the search; go on with: GO ON\n"
    ) in done.printed
    assert verified_run(done.verification).records == tuple(records)


@pytest.mark.parametrize(
    ("near", "every", "timed"),
    [(10.5, False, {0}), (10.5, True, {0, 1, 2, 3}), (8.0, False, {1})],
    ids=["behind", "every trial", "ahead"],
)
def test_only_the_front_is_timed_where_times_do_not_count(
    verify_without_limits: Verify, near: float, every: bool, timed: set[int]
) -> None:
    """Trial 1 is near the search's front, which is trial 0 alone, and as large."""
    models = Models(fids=(10.0, near, 60.0, 90.0))
    done = verify_without_limits(models, every=every)
    assert done.ending == Ending.DONE
    known = {number: done.verification.known(number) for number in range(4)}
    assert {number for number, point in known.items() if point.latency_ms is not None} == timed
    assert {record.number for record in verified_run(done.verification).front()} <= timed


def test_time_is_left_to_time_what_was_drawn_from(
    verify: Verify, records: list[TrialRecord]
) -> None:
    slow = {"latency_ms": 5_000}  # One trial is timed in 2,000 seconds.
    records[:] = [replace(record, scores={**(record.scores or {}), **slow}) for record in records]
    done = verify(Models(), deadline=time.time() + 3_600, every=True)
    assert done.ending == Ending.TIME_UP
    known = [done.verification.known(number) for number in range(4)]
    verified = [point for point in known if point.scores(1_000)]
    assert [point.latency_ms for point in verified] == [4]
    drawn = [len(point.seeds.get(1_000, {})) for point in known]
    assert sorted(drawn) == [0, 0, 1, 3], "drawing ends once there would be two to time"


def test_time_is_left_to_time_the_front_of_an_earlier_round(
    verify_without_limits: Verify, records: list[TrialRecord]
) -> None:
    """Trial 1 is near the front, which is trial 0; each trial is timed in 2,000 seconds."""
    for number, record in enumerate(records):
        records[number] = replace(record, scores={**(record.scores or {}), "latency_ms": 5_000})
    models = Models(fids=(10.0, 10.1, 60.0, 90.0))
    done = verify_without_limits(models, deadline=time.time() + 1_900)
    assert models.drawn[0] == 1, "its timing alone would take longer than there is"
    again = verify_without_limits(Models(fids=models.fids), deadline=time.time() + 2_100)
    assert again.verification.known(0).latency_ms == 4
    assert done.ending == Ending.TIME_UP


def test_what_time_does_not_allow_of_more_images_leaves_the_front_of_fewer(
    verify: Verify,
) -> None:
    verify(Models())
    done = verify(Models(), Plan(10_000), deadline=1.0)
    assert done.ending == Ending.TIME_UP
    assert "so the front stays that of 1,000 images; go on with" in done.printed


def test_what_time_does_not_allow_of_more_seeds_leaves_the_front_as_sure_as_it_was(
    verify: Verify,
) -> None:
    verify(Models())
    done = verify(Models(), Plan(1_000, 5), deadline=1.0)
    assert done.ending == Ending.TIME_UP
    line = "the time is up: 1 of 1 trials within reach of the front have fewer than 5 seeds; go on"
    assert line in done.printed
    assert [record.number for record in verified_run(done.verification).front()] == [0]


def test_an_interruption_keeps_what_was_scored_and_says_what_is_left(verify: Verify) -> None:
    done = verify(Models(faults={1: KeyboardInterrupt()}), every=True)
    assert done.ending == Ending.INTERRUPTED
    assert (
        "verification interrupted: 3 of 4 complete trials are not verified, so they are left out "
        "of the front; 1 of 1 verified trials to be timed are not; go on with: GO ON\n"
    ) in done.printed
    models = Models()
    assert verify(models, every=True).ending == Ending.DONE
    assert models.drawn == {1: 3, 2: 3, 3: 3}, "trial 0 is scored already"


def test_a_passing_failure_leaves_the_other_trials_scored_and_is_tried_again(
    verify: Verify,
) -> None:
    faults: dict[int, BaseException] = {1: OSError("no\ndata"), 2: DataUnavailable("gone")}
    done = verify(Models(faults=faults), every=True)
    assert done.ending == Ending.FAILED
    scored = {n for n, point in done.verification.points.items() if point.scores(1_000)}
    assert scored == {0, 3}
    assert "scoring failed this time, of trials 1: OSError: no data\n" in done.printed
    assert "scoring failed this time, of trials 2: DataUnavailable: gone\n" in done.printed
    last = done.printed.splitlines()[-1]
    assert last.startswith("verification failed: 2 of 4 complete trials are not verified")
    assert last.endswith("go on with: GO ON")
    models = Models()
    assert verify(models, every=True).ending == Ending.DONE
    assert models.drawn == {1: 3, 2: 3}


def test_a_full_disk_ends_it_and_leaves_the_file_as_it_was(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify(Models())
    before = (tmp_path / "verified.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    out = io.StringIO()
    more = functools.partial(verify, Models(), Plan(1_000, 5))
    assert attempt(Console(file=out), "GO ON", more) is None
    assert out.getvalue() == (
        "verification failed: OSError: [Errno 28] No space left on device; go on with: GO ON\n"
    )
    assert (tmp_path / "verified.json").read_bytes() == before


def test_scores_that_are_no_numbers_are_a_fault_of_the_model(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models()
    monkeypatch.setattr(models, "rescore", lambda *_: {"fid": float("nan")})
    done = verify(models)
    assert done.ending == Ending.DONE
    assert "trial 0 cannot be scored again: fid is nan; allowed: a finite" in done.printed


@pytest.mark.parametrize(
    ("plans", "asked", "kept"),
    [
        ([(1_000, 3), (1_000, 5)], [3, 2], {1_000: 5}),
        ([(1_000, 5), (1_000, 3)], [5, 0], {1_000: 5}),
        ([(10_000, 3), (1_000, 3), (10_000, 3)], [3, 3, 0], {1_000: 3, 10_000: 3}),
    ],
)
def test_a_plan_adds_to_the_file_of_those_before(
    plans: list[tuple[int, int]], asked: list[int], kept: dict[int, int], verify: Verify
) -> None:
    drawn = []
    for plan in plans:
        models = Models()
        done = verify(models, Plan(*plan))
        assert done.ending == Ending.DONE
        drawn.append(models.drawn[0])
    assert drawn == asked
    assert {n: len(found) for n, found in done.verification.known(0).seeds.items()} == kept
    (point,) = (r for r in verified_run(done.verification).records if r.number == 0)
    assert (point.scores or {})["verified_seeds"] == kept[max(kept)]
    assert (point.scores or {})["fid_num_images"] == max(kept)


def test_a_replicate_that_diverges_is_said_and_never_trained_again(verify: Verify) -> None:
    diverged = TrainingDiverged("training diverged at step 7: loss nan")
    for trained in ({1: 1, 2: 1}, {}):
        models = Models(training_faults={1: diverged})
        done = verify(models, replicates=2)
        assert done.ending == Ending.DONE
        assert models.trained == trained
        assert "trial 0 cannot be trained again, 1: TrainingDiverged: training di" in done.printed
        (point,) = verified_run(done.verification).front()
        assert (point.scores or {})["trainings"] == 2
    assert "cannot be trained again" not in verify(models).printed, "no replicates are asked for"


def test_a_replicate_that_fails_in_passing_is_tried_again(verify: Verify) -> None:
    done = verify(Models(training_faults={2: OSError("full")}), replicates=2)
    assert done.ending == Ending.FAILED
    assert "training again failed this time, of trials 0: OSError: full\n" in done.printed
    assert "1 of 2 trainings again are missing; go on with: GO ON\n" in done.printed
    models = Models()
    assert verify(models, replicates=2).ending == Ending.DONE
    assert models.trained == {2: 1}


def test_progress_is_written_where_there_is_no_terminal(verify: Verify) -> None:
    printed = verify(Models(), Plan(1_000, 40)).printed.splitlines()
    told = [line.split(",")[0] for line in printed if line.startswith("drawing again")]
    assert told == [f"drawing again: {done} of 40" for done in range(4, 41, 4)]
