"""Real trainings killed at random moments end with the same models, byte for byte."""

from pathlib import Path

import pytest
from ordeal import (
    Ordeal,
    check_whole,
    kill_driver,
    kill_everything,
    kill_ray,
    kill_worker,
    terminate,
)
from small_space import small_space
from test_search import records


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_real_trainings_killed_six_times_give_the_same_models(tmp_path: Path) -> None:
    space = small_space(tmp_path)
    arguments = ["--trials", "4", "--concurrent-trials", "1"]
    undisturbed = Ordeal(tmp_path / "study-run-a", "evaluate", arguments, 0.0, 0, always=space)
    undisturbed.suffer([])
    killed = Ordeal(tmp_path / "study-run-b", "held", arguments, 8.0, 2, held_from=3, always=space)
    killed.suffer(
        [kill_everything, kill_driver, kill_worker, kill_everything, terminate, kill_ray]
    )
    assert len(killed.killed) == 6, "the study was over before it was killed"
    assert killed.run.with_suffix(".resumed").exists(), "no training was killed on its way"
    assert killed.finished() == undisturbed.finished()
    check_whole(killed.run, 4)
    images = [[r.trained_images for r in records(ordeal.run)] for ordeal in (killed, undisturbed)]
    assert images[0] == images[1], "each image counts once, however often a training began"
    models = sorted((undisturbed.run / "trials").glob("*/model.pdm"))
    assert len(models) == sum(state == "complete" for state, *_ in killed.finished().values()) >= 2
    for model in models:
        same = killed.run / "trials" / model.parent.name / "model.pdm"
        assert same.read_bytes() == model.read_bytes()
