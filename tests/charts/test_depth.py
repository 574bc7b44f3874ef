"""Charts hold the figures they are given."""

import numpy as np

from dr_transformer.charts.depth import DASHES, curve_digits, depth_curve, depth_range, scatter_3d


def test_a_curve_holds_one_figure_a_block() -> None:
    levels = {"UMAP": 12.0, "PCA": None}
    figure = depth_curve("rank", [17.2, 9.5, None], n_blocks=8, levels=levels)
    line, *across = figure.data
    assert (list(line.x), list(line.y)) == ([0, 1, 2], [17.2, 9.5, None])
    assert {level.name: list(level.y) for level in across} == {"UMAP": [12.0, 12.0], "PCA": [None, None]}
    assert [level.line.dash for level in across] == list(DASHES)[:2]
    assert [note.text for note in figure.layout.annotations] == ["rank"]
    assert figure.layout.xaxis.range == depth_range(8)
    assert (
        figure.layout.template.layout.xaxis.fixedrange
    )  # else the mark, which the browser places by this range, would be wrong
    assert [curve_digits(values) for values in ([0.9, None], [17.2, 0.5], [])] == [3, 1, 3]


def test_the_curve_of_the_run_before_is_faint_and_has_no_more_blocks() -> None:
    figure = depth_curve("rank", [17.2], n_blocks=2, before=[16.0, None, 9.0, 8.0])
    now, before = figure.data
    assert list(now.y) == [17.2]
    assert (list(before.x), list(before.y), before.opacity) == ([0, 1, 2], [16.0, None, 9.0], 0.5)
    assert len(depth_curve("rank", [17.2], n_blocks=2, before=()).data) == 1


def test_a_curve_that_is_not_there_yet_keeps_its_place() -> None:
    figure = depth_curve("a", [], n_blocks=2)
    assert figure.layout.height == depth_curve("a", [1.0], n_blocks=2).layout.height
    assert figure.layout.yaxis.tickvals == ()


def test_three_dimensions_hold_every_point_once_in_its_class() -> None:
    points, labels = np.arange(30.0).reshape(10, 3), np.arange(10) % 3
    figure = scatter_3d(points, labels, ("a", "b", "c", "none"), ("#111111", "#222222"), ("x", "y", "z"))
    assert [trace.name for trace in figure.data] == ["a", "b", "c"]
    assert [trace.marker.color for trace in figure.data] == ["#111111", "#222222", "#111111"]
    for label, trace in enumerate(figure.data):
        np.testing.assert_array_equal(np.column_stack([trace.x, trace.y, trace.z]), points[labels == label])
        np.testing.assert_array_equal(trace.customdata, np.flatnonzero(labels == label))
