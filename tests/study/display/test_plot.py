"""The picture of a front shows every scored trial and every objective, and can be read."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from small_run import run_of
from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.display.plot import View, draw_front, plot_front
from study.display.series import published_series
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


def test_scores_that_say_no_more_than_the_objectives_are_drawn(digit_recipe: Recipe) -> None:
    records = [TrialRecord(0, "complete", digit_recipe, {"fid": 9.0, "size_bytes": 70})]
    (axes,) = drawn(run_of(Path("run"), records)).axes
    assert axes.get_title() == "1 of 1 complete trials on the front (FID of images, bars: 95 %)"


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
        (("macs",), [("multiply-accumulates a network call", "FID")]),
        (("recall",), [("size of the model file", "recall")]),
        (("kid", "latency_ms"), [("size of the model file", "kid"), ("ms an image", "FID")]),
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


def test_what_is_worse_than_noise_is_marked_at_the_edge_and_takes_no_room(
    records: list[TrialRecord], digit_recipe: Recipe
) -> None:
    noise = fake_scores(690.0, 5_000_000, fid_noise=600.0)
    worse = [TrialRecord(20, "complete", digit_recipe, noise, "noise", feasible=False)]
    (before,) = drawn(run_of(Path("run"), records[:10])).axes
    figure = drawn(run_of(Path("run"), [*records[:10], *worse]))
    (axes,) = figure.axes
    assert (axes.get_xlim(), axes.get_ylim()) == (before.get_xlim(), before.get_ylim())
    names = ["mini_ddpm, weights8", "on the front", "worse than noise, beyond the axes"]
    assert legend(figure) == names
    (mark,) = [c for c in axes.collections if c.get_offset_transform() == axes.transAxes]
    x, y = mark.get_offsets()[0]
    assert 0.9 < x < 1
    assert 0.9 < y < 1


def test_what_is_over_a_limit_of_the_study_s_own_is_seen_whole(
    records: list[TrialRecord],
) -> None:
    (axes,) = drawn(run_of(Path("run"), records)).axes
    (over,) = [c for c in axes.collections if c.get_label() == "over a limit"]
    assert over.get_offsets().tolist() == [[900_000, 1]]
    assert axes.get_xlim()[1] > 900_000
    assert axes.get_ylim()[0] < 1


def test_intervals_lie_below_the_markers(records: list[TrialRecord]) -> None:
    (axes,) = drawn(run_of(Path("run"), records[:10])).axes
    markers = [c for c in axes.collections if isinstance(c, PathCollection)]
    bars = [c for c in axes.collections if not isinstance(c, PathCollection)]
    assert bars
    assert max(c.get_zorder() for c in [*bars, *axes.lines]) < min(
        c.get_zorder() for c in markers if len(c.get_offsets())
    )


def test_a_view_shows_two_scores_of_the_front_alone(records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records, objectives=("fid", "size_bytes", "macs"))
    view = View(axes=("macs", "fid_held_out"), only_front=True)
    figure = draw_front(run, front_rows(run.records, run.objectives), view)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "FID, held-out split"
    assert legend(figure) == ["mini_ddpm, weights8", "on the front"]


def test_axes_that_no_model_of_the_front_has_are_refused(records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records)
    rows = front_rows(run.records, run.objectives)
    with pytest.raises(ValueError, match=r"no model of the front has fid and ssim; allowed: oth"):
        draw_front(run, rows, View(axes=("fid", "ssim")))


def test_published_systems_are_named_beside_what_was_measured(
    records: list[TrialRecord],
) -> None:
    run = run_of(Path("run"), records[:10])
    published = (published_series("system-a-ncsn", 0), published_series("system-b-mini", 1))
    rows = front_rows(run.records, run.objectives)
    figure = draw_front(run, rows, View(published=published))
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"10", "2 groups", "reduced"} <= texts
    assert "system-b-mini, as published\n(FID on another scale)" in legend(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_front_gives_the_same_bytes(suffix: str, records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records)
    rows = front_rows(run.records, run.objectives)
    first, second = (plot_front(run, rows, suffix=suffix) for _ in range(2))
    assert first == second
    assert b"Date" not in first
    assert b"<dc:date>" not in first


def test_fonts_are_in_the_files_for_papers(records: list[TrialRecord]) -> None:
    run = run_of(Path("run"), records)
    rows = front_rows(run.records, run.objectives)
    assert b"/FontFile2" in plot_front(run, rows, suffix=".pdf"), "TrueType, embedded"
    assert b"<text" not in plot_front(run, rows, suffix=".svg"), "letters are outlines"


SCORES = st.lists(
    st.tuples(st.floats(1.0, 4.0), st.floats(3.0, 6.5)).map(
        lambda p: (10 ** p[0] / 5, 10 ** p[1])
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=12)
@given(SCORES)
def test_every_front_has_labels_apart_and_inside_and_ticks_that_can_be_read(
    digit_recipe: Recipe, scores: list[tuple[float, float]]
) -> None:
    records = [
        TrialRecord(n, "complete", digit_recipe, fake_scores(fid, int(size)))
        for n, (fid, size) in enumerate(scores)
    ]
    figure = drawn(run_of(Path("run"), records))
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    frame = axes.get_window_extent()
    for box in boxes:
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
    for axis in (axes.xaxis, axes.yaxis):
        ticks = [tick.label1.get_window_extent() for tick in axis.get_major_ticks()]
        assert len(ticks) >= 2
        assert not any(a.overlaps(b) for a, b in combinations(ticks, 2))


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
