"""Charts hold the figures they are given."""

import numpy as np

from dr_transformer.charts import curve_digits, depth_curves, depth_range, scatter_3d


def test_curves_hold_one_figure_a_block() -> None:
    curves = {"accuracy": [0.9, 0.8, 0.7], "rank": [17.2, 9.5, 1.4]}
    figure = depth_curves(curves, n_blocks=8)
    assert [list(trace.y) for trace in figure.data] == list(curves.values())
    assert all(list(trace.x) == [0, 1, 2] for trace in figure.data)
    assert [note.text for note in figure.layout.annotations] == list(curves)
    for column in (1, 2):
        axis = figure.get_subplot(1, column).xaxis
        assert axis.range == depth_range(8)
        assert axis.fixedrange  # else the mark, which the browser places by this range, would be wrong
    assert [curve_digits(values) for values in ([0.9], [17.2, 0.5], [])] == [3, 1, 3]


def test_curves_that_are_not_there_yet_keep_their_place() -> None:
    assert len(depth_curves({"a": [], "b": [1.0]}, n_blocks=2).data) == 2


def test_three_dimensions_hold_every_point_once_in_its_class() -> None:
    points, labels = np.arange(30.0).reshape(10, 3), np.arange(10) % 3
    figure = scatter_3d(points, labels, ("a", "b", "c", "none"), ("#111111", "#222222"), ("x", "y", "z"))
    assert [trace.name for trace in figure.data] == ["a", "b", "c"]
    assert [trace.marker.color for trace in figure.data] == ["#111111", "#222222", "#111111"]
    for label, trace in enumerate(figure.data):
        np.testing.assert_array_equal(np.column_stack([trace.x, trace.y, trace.z]), points[labels == label])
        np.testing.assert_array_equal(trace.customdata, np.flatnonzero(labels == label))
