"""α tuned in the background: the curve of `alpha_tuning`, and what is drawn between its points."""

from functools import cache

import numpy as np
import pytest

from dr_transformer import Config, load, unroll
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.alpha import AlphaTuning, cross_entropy_at, relevant
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.theory.alpha_tuning import agreement, tune_alpha

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = Config(n_components=16)


@cache
def mnist() -> Dataset:
    return load("mnist", 500)


@cache
def tuned(symmetric: bool = True) -> AlphaTuning:
    job = AlphaTuning(mnist(), CONFIG, 10, symmetric, GraphStore())
    job.owners.add("test")
    job.work()
    return job


@pytest.mark.parametrize("symmetric", [True, False])
def test_it_is_the_curve_of_block_0(symmetric: bool) -> None:
    X = next(step.X for step in unroll(mnist().Y, CONFIG) if step.ends_block)
    expected = tune_alpha(X, knn_graph(mnist().Y, 10), symmetric=symmetric)
    job = tuned(symmetric)
    assert job.complete
    assert job.curve is not None
    assert job.curve.best == pytest.approx(expected.best, rel=1e-6)
    assert job.curve.best_mass == pytest.approx(expected.best_mass, rel=1e-6)
    np.testing.assert_array_equal(job.curve.agreement.cross_entropy, expected.agreement.cross_entropy)
    assert 0.7 < job.progress < 1
    assert job.passes > 1


def test_between_its_points_the_curve_is_right_to_a_hundredth() -> None:
    curve = tuned().curve
    assert curve is not None
    X = next(step.X for step in unroll(mnist().Y, CONFIG) if step.ends_block)
    alphas = np.sqrt(curve.alphas[:-1] * curve.alphas[1:])
    exact = agreement(X, knn_graph(mnist().Y, 10), [float(alpha) for alpha in alphas]).cross_entropy
    np.testing.assert_allclose(cross_entropy_at(curve, alphas), exact, atol=0.02)
    np.testing.assert_allclose(cross_entropy_at(curve, curve.alphas), curve.agreement.cross_entropy, atol=1e-12)
    assert np.isnan(cross_entropy_at(curve, np.array([0.5, 300.0]))).all()


def test_what_the_curve_does_not_depend_on_is_no_part_of_its_key() -> None:
    assert relevant(CONFIG) == relevant(Config(3, 12.0, 0.2, 16, graph_diffusion=True, activation="relu"))
    assert relevant(CONFIG) != relevant(Config(n_components=32))
    assert relevant(CONFIG) != relevant(Config(n_components=16, mask_self=False))
