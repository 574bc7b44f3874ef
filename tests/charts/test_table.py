"""Tables behind charts hold the numbers that are drawn."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dr_transformer.charts.depth import depth_curve, scatter_3d
from dr_transformer.charts.table import MOST, chart_table


def test_a_curve_is_its_values() -> None:
    table = chart_table(depth_curve("NMI", [0.1, None, 0.3], n_blocks=2, levels={"PCA": 0.5}))
    assert table[table["series"] == "NMI"][["x", "y"]].to_numpy().tolist() == [[0, 0.1], [2, 0.3]]
    assert set(table[table["series"] == "PCA"]["y"]) == {0.5}


def test_axes_give_their_names_and_one_series_none() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3.0, np.nan]))
    figure.update_layout(xaxis_title="α", yaxis_title="agreement<br>in nats")
    table = chart_table(figure)
    assert list(table.columns) == ["α", "agreement in nats"]
    assert table.to_numpy().tolist() == [[1, 3]]


def test_a_heat_map_is_its_cells() -> None:
    figure = go.Figure(go.Heatmap(x=["a", "b"], y=[1, 2], z=[[1, 2], [np.nan, 4]]))
    assert chart_table(figure).to_numpy().tolist() == [["a", 1, 1], ["b", 1, 2], ["b", 2, 4]]


@pytest.mark.parametrize("trace", [go.Histogram(x=[1, 2, 2]), go.Violin(y=[1, 2, 2]), go.Box(y=[1, 2, 2])])
def test_distributions_are_their_samples(trace) -> None:
    assert chart_table(go.Figure(trace)).iloc[:, 0].tolist() == [1, 2, 2]


def test_marks_are_left_out_and_an_empty_chart_is_an_empty_table() -> None:
    assert chart_table(go.Figure(go.Scatter(x=[1], y=[1], hoverinfo="skip"))).empty
    assert chart_table(go.Figure()).empty
    assert len(chart_table(go.Figure(go.Scattergl(x=np.arange(30_000), y=np.zeros(30_000))))) == MOST


def test_three_dimensions_have_three_columns() -> None:
    figure = go.Figure(go.Scatter3d(x=[1], y=[2], z=[3], name="5"))
    assert chart_table(figure).to_numpy().tolist() == [[1, 2, 3]]


def test_points_in_space_have_their_axes_names() -> None:
    points, labels = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0, 1])
    table = chart_table(scatter_3d(points, labels, ("a", "b"), ("red", "blue"), ("PC 1", "PC 2", "PC 3")))
    assert list(table.columns) == ["series", "PC 1", "PC 2", "PC 3"]
    assert table.to_numpy().tolist() == [["a", 1, 2, 3], ["b", 4, 5, 6]]
