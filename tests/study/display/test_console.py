"""The printed front holds its figures in 80 columns, and no text in it is markup."""

import io

import pytest
from rich.console import Console
from small_scores import ROW

from study.display.console import print_front, print_trainings, say

OBJECTIVES = ("fid", "size_bytes")
VERIFIED = {**ROW, "fid_num_images": 10_000, "verified_seeds": 3, "front_probability": 0.873}
FURTHER = {
    "macs": 12_345_678,
    "recall": 0.43211,
    "kid": -0.0123456,
    "latency_ms": 12.345,
    "nonzero_parameters": 7_654_321,
    "fid_infinity": 18.25,
    "precision": 0.875,
    "fid_held_out": 23.75,
}


def printed(row: dict[str, object], objectives: tuple[str, ...], width: int = 80) -> str:
    out = io.StringIO()
    print_front(Console(file=out, width=width), [row, row], objectives)
    table, _ = out.getvalue().split("FID of")
    assert max(map(len, table.splitlines())) <= width
    return table


def test_the_printed_front_fits_80_columns_and_keeps_its_figures() -> None:
    out = io.StringIO()
    print_front(Console(file=out, width=80), [ROW], OBJECTIVES)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines[:-1])) <= 80
    text = " ".join(" ".join(lines).split())
    for part in ("01-17", "ncsn 32-64-128-256 g4", "123 kB", "20.0", "18.0-22.0", "95%"):
        assert part in text, part
    assert "500 real images have 4.00, uniform noise 600, the best point 3.34 % of that" in text


def test_a_verified_front_says_how_sure_each_point_is_and_still_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_front(Console(width=80), [VERIFIED], OBJECTIVES)
    printed = capsys.readouterr().out
    assert "on front" in printed
    assert "87%" in printed
    assert "FID of 3 x 10,000 images" in printed
    assert "real images have 4.00" in printed
    table = printed.split("FID of")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "123 kB" in table


def test_trainings_are_compared_with_samples_only_where_there_are_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_trainings(Console(width=80), [VERIFIED])
    assert capsys.readouterr().out == ""
    spread = {"trainings": 3, "fid_trainings_deviation": 1.25, "fid_samples_deviation": 0.5}
    print_trainings(Console(width=80), [VERIFIED, {**VERIFIED, **spread}])
    heading, line = capsys.readouterr().out.strip().splitlines()
    assert "deviation over samples" in heading
    assert line.split() == ["01-17", "20.04", "0.50", "1.25", "3"]


@pytest.mark.parametrize("row", [ROW, VERIFIED])
@pytest.mark.parametrize(
    ("further", "values"),
    [
        (("macs",), ["12.3 M"]),
        (("macs", "recall"), ["12.3 M", "0.4321"]),
        (("fid_held_out",), ["23.75"]),
        (
            tuple(FURTHER),
            ["12.3 M", "0.4321", "-0.01235", "12.35", "7.65 M", "18.25", "0.875", "23.75"],
        ),
    ],
)
def test_each_further_objective_has_a_column_in_80(
    further: tuple[str, ...], values: list[str], row: dict[str, object]
) -> None:
    table = printed({**row, **FURTHER}, (*OBJECTIVES, *further))
    for name, value in zip(further, values, strict=True):
        assert all(word in table for word in name.split("_"))
        assert table.count(value) == 2
    for word in ("32-64-128-256", "extremes,", "weights8", "123 kB", "18.0-22.0"):
        assert table.count(word) == 2


def test_an_objective_without_a_value_is_a_dash() -> None:
    assert printed({**ROW, "fid_infinity": None}, ("fid", "fid_infinity")).count(" -\n") == 2


def test_agreement_with_labels_has_one_column_whether_verified_or_not() -> None:
    objectives = ("fid", "label_agreement")
    assert printed(ROW, objectives).count("95%") == 2
    assert "agreement" not in printed(ROW, objectives)
    verified = printed(VERIFIED, objectives)
    assert verified.count("0.954") == 2
    assert "agreement" in verified
    assert "on front" in verified


@pytest.mark.parametrize("name", ["a[b]c[/b]", "[/b]", "[bold]", ":100:"])
def test_no_text_is_markup(name: str) -> None:
    point = name.replace("/", "-")
    row = {**ROW, "architecture": name, "package_path": f"front/{point}/model.pdm"}
    table = printed(row, OBJECTIVES, width=120)
    assert table.count(f"{point:<5}  {name} 32-64") == 2
    spread = {"trainings": 3, "fid_trainings_deviation": 1.25, "fid_samples_deviation": 0.5}
    out = io.StringIO()
    print_trainings(Console(file=out, width=80), [{**row, **spread}])
    assert point in out.getvalue()
    say(Console(file=out, width=4), f"in {name}, {name}")
    assert f"in {name}, {name}\n" in out.getvalue()
