"""Labels lie beside their points and off what else is drawn, where there is room."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from study.display.labels import label_points


@settings(max_examples=10, deadline=None)
@given(st.sets(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=12))
def test_labels_of_points_that_stand_apart_hide_neither_points_nor_labels(
    cells: set[tuple[int, int]],
) -> None:
    figure = Figure(figsize=(6, 6), dpi=100)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 6), ylim=(0, 6))
    points = np.array(sorted(cells), dtype=np.float64)
    label_points(axes, [str(n) for n in range(len(points))], points, np.zeros((0, 2)), 9)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    places = axes.transData.transform(points)
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        assert not any(box.contains(*place) for place in places)
        middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        assert np.abs(places - middle).sum(axis=1).argmin() == number


def test_a_label_moves_to_the_side_where_nothing_is_drawn() -> None:
    axes = Figure(figsize=(4, 4), dpi=100).add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    right = np.array([[5.2, y] for y in np.linspace(4, 6, 30)])
    label_points(axes, ["1"], np.array([[5.0, 5.0]]), right, 9)
    assert axes.texts[0].xyann[0] < 0


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=60),
    st.sampled_from([1.2, 3.0, 6.0]),
    st.integers(1, 18),
)
def test_labels_lie_apart_and_inside_however_close_their_points(
    found: list[tuple[float, float]], inches: float, length: int
) -> None:
    figure = Figure(figsize=(inches, inches), dpi=100)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    texts = [f"{n}".rjust(length, "w") for n in range(len(found))]
    label_points(axes, texts, np.array(found), np.zeros((0, 2)), 9)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    frame = axes.get_window_extent()
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1


def test_points_in_one_place_share_a_label() -> None:
    axes = Figure(figsize=(4, 4), dpi=100).add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    points = np.array([[5.0, 5.0], [5.0, 5.0], [8.0, 2.0]])
    label_points(axes, ["1", "2", "3"], points, np.zeros((0, 2)), 9)
    assert [text.get_text() for text in axes.texts] == ["1, 2", "3"]


def test_a_label_that_has_to_go_far_is_joined_to_its_point() -> None:
    axes = Figure(figsize=(4, 4), dpi=100).add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    crowd = np.array([[5 + 0.05 * n, 5.0] for n in range(12)])
    label_points(axes, ["label"] * 12, crowd, np.zeros((0, 2)), 9)
    assert len(axes.texts) == 12
    assert axes.lines
