"""Studies killed at random moments: a resume goes on, loses nothing and repeats nothing."""

from pathlib import Path

import pytest
from ordeal import KILLS, Kill, Ordeal, check_whole, kill_driver_and_tear_journal, kill_worker


@pytest.mark.timeout(1800)
def test_a_study_killed_three_times_is_the_undisturbed_one(tmp_path: Path) -> None:
    arguments = ["--trials", "22", "--concurrent-trials", "1", "--seed", "5"]
    undisturbed = Ordeal(tmp_path / "study-run-a", "staged", arguments, 0.0, 0)
    undisturbed.suffer([])
    killed = Ordeal(tmp_path / "study-run-b", "staged", arguments, 1.2, 1, held_from=18)
    # A worker and then its driver; then the driver within a write.
    killed.suffer([kill_worker, kill_driver_and_tear_journal])
    assert len(killed.killed) == 2, "the study was over before it was killed"
    assert killed.finished() == undisturbed.finished()
    assert "pruned" in {state for state, *_ in killed.finished().values()}
    check_whole(killed.run, 22)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "seed"), [(KILLS[::2], 0), (KILLS[1::2], 1)])
def test_two_workers_killed_in_several_ways_end_with_exactly_the_trials_asked_for(
    tmp_path: Path, kills: tuple[Kill, ...], seed: int
) -> None:
    arguments = ["--trials", "60", "--seed", str(seed)]
    ordeal = Ordeal(tmp_path / "study-run", "dragging", arguments, 2.0, seed, held_from=52)
    ordeal.suffer(list(kills))
    assert len(ordeal.killed) == len(kills), "the study was over before it was killed"
    check_whole(ordeal.run, 60)
