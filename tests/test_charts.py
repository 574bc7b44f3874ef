"""Charts hold the figures they are given."""

import numpy as np
import pytest

from dr_transformer.charts import depth_curves, scatter_3d


@pytest.mark.parametrize(("depth", "shown"), [(0, ["0.900", "17.2"]), (1.7, ["0.800", "9.5"]), (3, ["…", "…"])])
def test_curves_and_the_mark_at_depth(depth: float, shown: list[str]) -> None:
    curves = {"accuracy": [0.9, 0.8, 0.7], "rank": [17.2, 9.5, 1.4]}
    figure = depth_curves(curves, n_blocks=8, depth=depth, colour="#123456")
    assert [list(trace.y) for trace in figure.data] == list(curves.values())
    assert all(list(trace.x) == [0, 1, 2] for trace in figure.data)
    assert [(line.x0, line.x1, line.line.color) for line in figure.layout.shapes] == [(depth, depth, "#123456")] * 2
    titles = [note.text for note in figure.layout.annotations]
    assert [title.split("<b>")[1].removesuffix("</b>") for title in titles] == shown


def test_curves_that_are_not_there_yet_keep_their_place() -> None:
    figure = depth_curves({"a": [], "b": [1.0]}, n_blocks=2, depth=0, colour="#000000")
    assert len(figure.data) == 2


def test_three_dimensions_hold_every_point_once_in_its_class() -> None:
    points, labels = np.arange(30.0).reshape(10, 3), np.arange(10) % 3
    figure = scatter_3d(points, labels, ("a", "b", "c", "none"), ("#111111", "#222222"), ("x", "y", "z"))
    assert [trace.name for trace in figure.data] == ["a", "b", "c"]
    assert [trace.marker.color for trace in figure.data] == ["#111111", "#222222", "#111111"]
    for label, trace in enumerate(figure.data):
        np.testing.assert_array_equal(np.column_stack([trace.x, trace.y, trace.z]), points[labels == label])
        np.testing.assert_array_equal(trace.customdata, np.flatnonzero(labels == label))
