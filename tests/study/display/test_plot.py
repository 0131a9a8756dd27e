"""The picture of a front shows every scored trial and every objective, and can be read."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_run import run_of
from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.display.plot import draw_front, plot_front
from study.results.front import front_rows
from study.results.records import TrialRecord
from study.run.run import Run

FURTHER = {"macs": 9_000, "recall": 0.5, "kid": -0.1, "latency_ms": 2.0, "fid_held_out": 7.0}


@pytest.fixture
def records(digit_recipe: Recipe) -> list[TrialRecord]:
    """Ten on the front, one over a limit, and two that were stopped early, one never judged."""
    scores = [fake_scores(40.0 / n, 40_000 * n, **FURTHER) for n in range(1, 11)]
    over = fake_scores(1.0, 900_000, **FURTHER)
    rungs = {
        8: {"fid": 300.0, "size_bytes": 500_000, "fid_num_images": 200},
        16: {"fid": 80.0, "size_bytes": 500_000, "fid_num_images": 200, "macs": 70_000},
    }
    return [
        *(TrialRecord(n, "complete", digit_recipe, s) for n, s in enumerate(scores)),
        TrialRecord(10, "complete", digit_recipe, over, "over", feasible=False),
        TrialRecord(11, "pruned", digit_recipe, None, "stopped early", rungs=rungs),
        TrialRecord(12, "pruned", digit_recipe, None, "stopped early", rungs={8: {"macs": 70}}),
        TrialRecord(13, "failed", digit_recipe, None, "boom"),
    ]


def drawn(run: Run) -> Figure:
    return draw_front(run, front_rows(run.records, run.objectives))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_picture_is_a_png(records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records)
    picture = plot_front(run, front_rows(run.records, run.objectives))
    assert picture.startswith(b"\x89PNG")


def test_what_was_stopped_early_is_a_hollow_marker_where_it_was_last_judged(
    records: list[TrialRecord],
) -> None:
    figure = drawn(run_of(Path("run"), records))
    label = "mini_ddpm, stopped early\n(FID of 200 images)"
    assert legend(figure) == ["mini_ddpm, weights8", label, "over a limit", "on the front"]
    (axes,) = figure.axes
    (stopped,) = [c for c in axes.collections if c.get_label() == label]
    assert stopped.get_offsets().tolist() == [[500_000, 80]]
    assert len(stopped.get_facecolors()) == 0
    assert len(stopped.get_edgecolors()) == 1


def test_a_run_without_stopped_trials_has_no_line_for_them_in_its_legend(
    records: list[TrialRecord],
) -> None:
    labels = legend(drawn(run_of(Path("run"), records[:10])))
    assert labels == ["mini_ddpm, weights8", "on the front"]


@pytest.mark.parametrize(
    ("further", "panels"),
    [
        ((), []),
        (("macs",), [("macs", "FID")]),
        (("recall",), [("size of the model file", "recall")]),
        (("kid", "latency_ms"), [("size of the model file", "kid"), ("latency_ms", "FID")]),
        (tuple(FURTHER), None),
    ],
)
def test_each_further_objective_has_a_panel_with_the_front_marked(
    further: tuple[str, ...], panels: list[tuple[str, str]] | None, records: list[TrialRecord]
) -> None:
    run = run_of(Path("run"), records, objectives=("fid", "size_bytes", *further))
    main, *others = drawn(run).axes
    assert (main.get_xlabel(), main.get_ylabel()) == ("size of the model file", "FID")
    assert len(others) == len(further)
    if panels is not None:
        assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in others] == panels
    for axes in others:
        (rings,) = [c for c in axes.collections if c.get_label() == "on the front"]
        ranks = [text.get_text() for text in axes.texts]
        assert len(rings.get_offsets()) == len(ranks) == len(records[:10])


def test_the_legend_lies_beside_the_points(records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records, objectives=("fid", "size_bytes", "macs"))
    figure = drawn(run)
    box = figure.legends[0].get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_labels_of_the_front_lie_on_none_of_each_other(records: list[TrialRecord]) -> None:
    (axes,) = drawn(run_of(Path("run"), records)).axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("count", [1, 3])
def test_models_of_one_size_and_quality_have_axes_of_some_width(
    count: int, digit_recipe: Recipe
) -> None:
    scores = fake_scores(55.0, 626_098, fid_low=55.0, fid_high=55.0)
    records = [TrialRecord(n, "complete", digit_recipe, scores) for n in range(count)]
    (axes,) = drawn(run_of(Path("run"), records)).axes
    for low, high in (axes.get_xlim(), axes.get_ylim()):
        assert high > 1.2 * low
    assert np.prod(axes.get_window_extent().size) > 0
