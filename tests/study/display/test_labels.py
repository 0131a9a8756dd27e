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
