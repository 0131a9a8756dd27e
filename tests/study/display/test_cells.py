"""A point's cells stand under their headings, and its FID on a scale that says of what it is."""

import pytest
from small_scores import ROW

from study.display.cells import COLUMNS, front_cells, scale


def test_each_cell_stands_under_its_heading() -> None:
    cells = dict(zip(COLUMNS, front_cells(ROW), strict=True))
    assert (cells["point"], cells["model"]) == ("01-17", "ncsn 32-64-128-256")
    assert (cells["pruning"], cells["size"]) == ("random 30% extremes", "123 kB")
    assert (cells["FID"], cells["95 %"], cells["held out"]) == ("20.0", "18.0-22.0", "23.0")
    plain = {**ROW, "prune_method": "none", "label_agreement": None}
    cells = dict(zip(COLUMNS, front_cells(plain), strict=True))
    assert (cells["pruning"], cells["labels"]) == ("none", "-")
    assert cells["quantization"] == "weights8"


def test_a_step_and_a_cool_down_stand_with_the_quantization() -> None:
    uniform = {**ROW, "quantization": "uniform", "quantization_step": 1.2}
    for row, said in (
        (uniform, "uniform 1.2"),
        ({**uniform, "finetune_images": 32_000}, "uniform 1.2 +32k"),
        ({**ROW, "quantization": "none", "finetune_images": 32_000}, "none +32k"),
    ):
        assert dict(zip(COLUMNS, front_cells(row), strict=True))["quantization"] == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1_000, "against the train split; 1,000 real images have 4.00, uniform noise 600, "),
        (None, "against the train split; real images have 4.00, uniform noise 600, "),
    ],
)
def test_the_scale_is_of_as_many_real_images_as_there_were(count: int | None, said: str) -> None:
    row = {**ROW, "fid_num_images": 10_000, "num_images_floor": count}
    text = scale([{**row, "fid": 99.0, "fid_noise": 900.0}, row])
    assert text == f"FID of 10,000 images {said}the best point 3.34 % of that"
