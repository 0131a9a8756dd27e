"""The recorded table that searches are replayed on: its space draws it as it was recorded."""

from pathlib import Path

from diffusion.recipe import DataConfig
from search_spaces import load_space
from study.evaluation.replay_table import read_table

TABLE = Path(__file__).parents[2] / "benchmarks" / "quick-grid.json.gz"


def test_every_recorded_trial_is_one_that_the_space_draws() -> None:
    table = read_table(TABLE)
    space, data = load_space("quick-grid"), DataConfig.from_dict(table["conditions"]["data"])
    assert len(table["trials"]) >= 600
    for row in table["trials"]:
        assert space.recipe(row["knobs"], data).key == row["key"]
    trained = {row["backbone_key"] for row in table["trials"]}
    assert trained == table["backbones"].keys()
    assert len(trained) == 24
