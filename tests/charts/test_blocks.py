"""The charts of a block hold the numbers they are given."""

import numpy as np

from dr_transformer.charts.blocks import LOOKS, overlaid, sub_step_curve, variants_curve
from dr_transformer.charts.depth import depth_range


def test_a_thin_line_through_all_sub_steps_and_a_thick_one_through_the_ends_of_blocks() -> None:
    depths, values = [0.0, 0.5, 0.75, 0.875, 1.0, 1.5], [3.0, 2.5, 2.0, 0.5, 2.0, 1.5]
    steps = ["block 0", *(f"step {i}" for i in range(5))]
    figure = sub_step_curve("KL", depths, values, steps, n_blocks=4)
    thin, thick = figure.data
    assert (list(thin.x), list(thin.y), list(thin.text)) == (depths, values, steps)
    assert (list(thick.x), list(thick.y)) == ([0.0, 1.0], [3.0, 2.0])
    assert thick.line.width > thin.line.width
    assert figure.layout.annotations[0].text == "KL"
    assert tuple(figure.layout.xaxis.range) == depth_range(4)
    assert figure.layout.yaxis.tickvals is None


def test_an_empty_chart_has_its_axis_but_no_numbers_beside_it() -> None:
    for figure in (sub_step_curve("KL", [], [], [], n_blocks=3), variants_curve("KL", {"a": []}, n_blocks=3)):
        assert figure.layout.yaxis.tickvals == ()
        assert tuple(figure.layout.xaxis.range) == depth_range(3)


def test_variants_are_told_apart_by_shape_dash_and_colour() -> None:
    curves = {name: [float(i), i + 1.0] for i, name in enumerate("abcd")}
    figure = variants_curve("rank", curves, n_blocks=1)
    assert [(line.name, list(line.y)) for line in figure.data] == list(curves.items())
    looks = [(line.marker.symbol, line.line.dash, line.line.color) for line in figure.data]
    assert looks == list(LOOKS.values())
    assert all(len(set(column)) == 4 for column in zip(*looks, strict=True))


def test_two_pictures_are_laid_on_each_other_on_equal_axes() -> None:
    first, second = np.random.RandomState(0).normal(size=(2, 7, 2))
    figure = overlaid(first, second, ("one", "two"), ("x axis", "y axis"))
    for points, name, trace in zip((first, second), ("one", "two"), figure.data, strict=True):
        assert trace.name == name
        assert np.array_equal(np.stack([trace.x, trace.y], axis=1), points)
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.xaxis.title.text == "x axis"
