"""The charts hold the figures they are given, on the scales that their axes say."""

import numpy as np
import pytest

from dr_transformer.charts.attention import (
    alpha_chart,
    angle_chart,
    brightest,
    distance_from_diagonal,
    eigenvalue_chart,
    mass_chart,
    matrix_chart,
    neighbours_histogram,
    over_uniform,
    rounded,
)
from dr_transformer.charts.depth import depth_range
from dr_transformer.data.mnist import count
from dr_transformer.engine.alpha import cross_entropy_at
from dr_transformer.theory.alpha_tuning import Agreement, AlphaCurve

CURVE = AlphaCurve(
    np.array([1.0, 10.0, 100.0]),
    Agreement(np.array([3.0, 2.0, 4.0]), np.array([-0.2, -0.01, 0.05]), np.array([0.1, 0.4, 0.9])),
    12.0,
    1.99,
    0.45,
    True,
)


def uniform(n: int, size: int) -> np.ndarray:
    """The image of uniform attention of n tokens that do not attend to themselves."""
    A = np.full((n, n), 1 / (n - 1))
    np.fill_diagonal(A, 0)
    starts = np.arange(size) * n // size
    sizes = np.diff(np.append(starts, n))
    return np.add.reduceat(np.add.reduceat(A, starts, axis=0), starts, axis=1) / sizes[:, None]


def test_uniform_attention_is_one_times_uniform_whatever_the_bins() -> None:
    image = uniform(10, 4)  # bins of 2 and 3 tokens
    ratio = 10 ** over_uniform(image, 10)
    np.testing.assert_allclose(ratio[~np.eye(4, dtype=bool)], 1)
    assert (ratio.diagonal() < 1).all()
    assert over_uniform(np.zeros((3, 3)), 3).tolist() == [[-1.0] * 3] * 3
    assert brightest(image, 10) == 1


def test_the_matrix_is_drawn_as_it_is_written_with_the_classes_marked() -> None:
    image = np.arange(16.0).reshape(4, 4) / 120
    labels = np.array([0, 0, 0, 2, 2, 2, 2, 2])
    figure = matrix_chart(image, 8, labels, ("zero", "one", "two"))
    (drawn,) = figure.data
    np.testing.assert_allclose(drawn.z, over_uniform(image, 8), rtol=1e-6)
    assert (drawn.x0, drawn.dx, drawn.y0, drawn.dy) == (1, 2, 1, 2)
    assert tuple(figure.layout.yaxis.range) == (8, 0)  # the first row on top
    assert list(figure.layout.xaxis.ticktext) == ["zero", "two"]
    assert list(figure.layout.xaxis.tickvals) == [1.5, 5.5]
    assert {shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1} == {3}
    assert not matrix_chart(image, 8).layout.shapes


def test_the_distance_from_the_diagonal_is_a_third_in_random_order() -> None:
    assert distance_from_diagonal(np.ones((300, 300))) == pytest.approx(1 / 3, abs=1e-3)
    assert distance_from_diagonal(np.eye(5)) == 0


def test_the_histogram_counts_every_token_once() -> None:
    effective = np.array([1.0, 1.1, 30.0, 32.0, 99.0])
    figure = neighbours_histogram(effective)
    (bars,) = figure.data
    low, high = np.asarray(bars.x), np.asarray(bars.customdata)
    assert sum(bars.y) == 5
    for counted, a, b in zip(bars.y, low, high, strict=True):
        assert counted == ((effective >= a * (1 - 1e-9)) & (effective < b * (1 - 1e-9))).sum() or b == high[-1]
    assert figure.layout.shapes[0].x0 == 30
    assert figure.layout.annotations[0].text == "median 30"
    assert [rounded(x) for x in (3.456, 99.94, 4467.2)] == ["3.46", "99.9", count(4467)]


@pytest.mark.parametrize(("alpha", "said"), [(30.0, "now 30"), (300.0, "now 300, beyond →")])
def test_alpha_s_curve_its_optimum_and_the_alpha_of_now(alpha: float, said: str) -> None:
    figure = alpha_chart(CURVE, alpha)
    between, points, optimum = figure.data
    np.testing.assert_allclose(between.y, cross_entropy_at(CURVE, np.asarray(between.x)))
    assert (list(points.x), list(points.y)) == ([1, 10, 100], [3, 2, 4])
    assert (optimum.x[0], optimum.y[0]) == (12, 1.99)
    assert figure.layout.shapes[0].x0 == alpha
    assert said in [note.text for note in figure.layout.annotations]
    masses = mass_chart(CURVE, alpha)
    assert list(masses.data[0].y) == [0.1, 0.4, 0.9]
    assert (masses.data[1].x[0], masses.data[1].y[0]) == (12, 0.45)


def test_one_line_an_eigenvalue_and_one_an_angle_on_the_depth_axis() -> None:
    rows = [np.array([0.1, 0.4]), np.array([0.2, 0.6]), np.array([0.3, 0.9])]
    figure = eigenvalue_chart(rows, n_blocks=8)
    assert [list(line.y) for line in figure.data] == [[0.1, 0.2, 0.3], [0.4, 0.6, 0.9]]
    assert list(figure.data[0].x) == [0, 1, 2]
    assert figure.layout.xaxis.range == depth_range(8)
    assert (
        figure.layout.template.layout.xaxis.fixedrange
    )  # else the mark, which the browser places by this range, would be wrong
    assert figure.layout.shapes[0].y0 == 0.5
    angles = angle_chart([np.array([0.0, np.pi / 2])], n_blocks=8)
    assert [line.y[0] for line in angles.data] == pytest.approx([0, 90])
