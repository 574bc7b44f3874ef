"""The charts draw the numbers of the rows and of the statistics."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dr_transformer.charts.diffusion import difference_chart, runs_chart
from dr_transformer.charts.training import learned_a_chart, live_chart, loss_difference_chart, validation_chart
from dr_transformer.training.pairs import METRICS, compare, curves, group_rows, loss_difference
from tests.helpers.training_rows import row, rows

STANDARD = [2.0, 2.1, 2.2, 2.15, 2.05, 2.3]
LAPLACIAN = [2.05, 2.12, 2.31, 2.2, 2.04, 2.41]
LEARNED = [1.98, 2.09, 2.23, 2.1]
(GROUP,) = group_rows(rows(standard=STANDARD, laplacian=LAPLACIAN, learned=LEARNED))


def traces(figure: go.Figure, name: str, kind: str = "scatter") -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.name == name and trace.type == kind]


def test_every_run_is_a_point_and_pairs_are_joined() -> None:
    figure = runs_chart(GROUP, METRICS["val_loss"])
    for name, values in (("A", STANDARD), ("A − I", LAPLACIAN), ("A − aI", LEARNED)):
        (points,) = traces(figure, name)
        assert list(points.y) == values
        assert list(points.customdata) == list(range(len(values)))
        assert len(traces(figure, name, "violin")) == (len(values) >= 5)  # four points have no shape
    (lines,) = traces(figure, "seeds")
    drawn = "".join("|" if y is None else "." for y in lines.y)
    assert drawn == "...|" * 4 + "..|" * 2
    assert lines.y[:3] == (2.0, 2.05, 1.98)


def test_differences_their_mean_and_interval() -> None:
    found = compare(GROUP)
    figure = difference_chart(found)
    for comparison, name in zip(found, ("A − I", "A − aI"), strict=True):
        (points,) = traces(figure, f"{name}, pairs")
        (mean,) = traces(figure, f"{name}, mean")
        np.testing.assert_allclose(points.x, comparison.differences)
        assert list(points.customdata) == list(comparison.seeds)
        assert mean.x[0] == comparison.statistics.mean
        assert comparison.statistics.interval is not None
        ends = (mean.x[0] - mean.error_x.arrayminus[0], mean.x[0] + mean.error_x.array[0])
        assert ends == pytest.approx(comparison.statistics.interval)
    assert figure.layout.xaxis.title.text == "← better than A"


def test_accuracies_are_percent_and_higher_is_better() -> None:
    runs = [row("standard", s, 2.0, task="vit", accuracy=0.2 + s / 100) for s in range(3)]
    runs += [row("laplacian", s, 2.0, task="vit", accuracy=0.25 + s / 50) for s in range(3)]
    (group,) = group_rows(runs)
    metric = METRICS["val_accuracy"]
    (points,) = traces(runs_chart(group, metric), "A")
    assert list(points.y) == pytest.approx([20, 21, 22])
    figure = difference_chart([c for c in compare(group) if c.metric is metric])
    assert list(traces(figure, "A − I, pairs")[0].x) == pytest.approx([5, 6, 7])
    assert figure.layout.xaxis.title.text == "better than A →"


def test_one_pair_has_no_interval_and_no_band() -> None:
    (group,) = group_rows(rows(standard=[2.0], laplacian=[2.1]))
    figure = difference_chart(compare(group))
    assert [trace.name for trace in figure.data] == ["A − I, pairs"]
    found = loss_difference(group, "laplacian")
    assert found is not None
    assert [trace.name for trace in loss_difference_chart([found]).data] == ["A − I"]


def test_the_loss_difference_and_its_band() -> None:
    found = loss_difference(GROUP, "laplacian", 3)
    assert found is not None
    figure = loss_difference_chart([found])
    upper, lower, mean = figure.data
    np.testing.assert_array_equal(mean.y, found.band.mean)
    np.testing.assert_array_equal(lower.y, found.band.low)
    np.testing.assert_array_equal(upper.y, found.band.high)
    assert lower.fill == "tonexty"


def test_validation_curves_and_their_mean() -> None:
    figure = validation_chart(GROUP, METRICS["val_loss"])
    (mean,) = traces(figure, "A − I")
    np.testing.assert_allclose(
        mean.y, np.mean([GROUP.runs("laplacian")[s].curve["val_loss"] for s in range(6)], axis=0)
    )
    assert list(mean.x) == [0, 20, 40]
    assert len(traces(figure, "A, run")) == 6


def test_the_scalar_a_of_all_blocks_or_of_each() -> None:
    steps, layers = curves(list(GROUP.runs("learned").values()), "a_layers")
    figure = learned_a_chart(steps, layers)
    (mean,) = traces(figure, "mean")
    np.testing.assert_allclose(mean.y, layers[:, :, 0].mean(axis=0))
    assert len(traces(figure, "runs")) == 4
    each = np.concatenate([layers, layers + 0.1], axis=2)
    figure = learned_a_chart(steps, each)
    np.testing.assert_allclose(traces(figure, "block 2")[0].y, layers[:, :, 0].mean(axis=0) + 0.1)
    np.testing.assert_allclose(traces(figure, "mean")[0].y, each.mean(axis=(0, 2)))


def test_live_curves_stress_the_run_under_way() -> None:
    runs = {"standard": [([0, 10], [4.0, 3.0]), ([0, 10], [4.1, 3.1])], "laplacian": [([0], [4.0])]}
    figure = live_chart(runs, ("laplacian", ([0.5, 1.5], [4.2, 4.1])))
    first, last = traces(figure, "A")
    assert first.opacity < last.opacity == 1
    assert list(last.y) == [4.1, 3.1]
    assert list(traces(figure, "A − I, training")[0].y) == [4.2, 4.1]
