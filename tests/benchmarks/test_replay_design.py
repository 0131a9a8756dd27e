"""The hand-made design on the grid: a row of the grid for each of its rows."""

from grid_table import DATA

from benchmarks.hand_made import HAND_MADE
from benchmarks.replay_design import nearest_rows
from search_spaces import load_space
from search_spaces.quick_grid import SEED_KNOB, TRAINING_SEEDS, backbone_row, variant_row


def test_every_row_becomes_one_of_the_grid_once() -> None:
    grid, rows = load_space("quick-grid"), nearest_rows()
    keys = {grid.recipe(row, DATA).key for row in grid.covering}
    found = [grid.recipe({**row, SEED_KNOB: TRAINING_SEEDS[0]}, DATA) for row in rows]
    assert {recipe.key for recipe in found} <= keys
    assert len({recipe.key for recipe in found}) == len(rows) < len(HAND_MADE)
    assert {r.compression.finetune_images for r in found} == {0, 8_000}


def test_levels_become_the_nearest_ones() -> None:
    tiny = backbone_row("mini_ddpm", "12-32", 1)
    assert nearest_rows(HAND_MADE[:1]) == [variant_row(tiny, "weights8")]
    given = {**HAND_MADE[0], "compression.quantization": "uniform"}
    cooled = {**given, "compression.quantization_step": 2.2, "compression.finetune_images": 32_000}
    assert nearest_rows([cooled]) == [variant_row(tiny, 2.4, finetune_images=8_000)]
    pruned = {
        **given,
        "compression.quantization": "linear4",
        "compression.prune_method": "l1",
        "compression.prune_ratio": 0.3,
        "compression.prune_region": "middle",
    }
    assert nearest_rows([pruned]) == [variant_row(tiny, "weights8", "l1", 0.2)]
