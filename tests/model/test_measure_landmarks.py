"""The README's table of landmarks, at a small size, against scikit-learn and plain algebra."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from dr_transformer import Config, load, unroll
from dr_transformer.model.landmarks import choose_landmarks
from dr_transformer.model.projection import fit_projection
from scripts.measure_landmarks import CHOICES, HEADER, Row, rows
from tests.helpers.plain_landmarks import unroll_landmarks

CONFIG = Config(n_components=16, n_blocks=2, precision="float64")


def scaled(X: np.ndarray) -> np.ndarray:
    X = X - X.mean(axis=0)
    return X / np.linalg.norm(X)


def figures(exact: np.ndarray, X: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    target, Z = scaled(exact), scaled(X)
    rotation, scale = orthogonal_procrustes(Z, target)
    distance = np.linalg.norm(scale * Z @ rotation - target)
    near, far = (NearestNeighbors(n_neighbors=10).fit(P).kneighbors(return_distance=False) for P in (exact, X))
    common = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, far, strict=True)])
    classifier = KNeighborsClassifier(5).fit(X[:240], labels[:240])
    return float(distance), float(common), float(np.mean(classifier.predict(X[240:]) == labels[240:]))


def test_every_line() -> None:
    data = load("mnist", 300)
    assert data.labels is not None
    *_, last = unroll(data.Y, CONFIG)
    exact = last.X.numpy()
    found = list(rows(data, CONFIG, [60, 300], 2))
    assert [row[:2] for row in found] == [
        *((m, choice) for m in ("60", "300") for choice in CHOICES),
        ("exact", "another seed of the projection"),
        ("exact", ""),
    ]
    projection = fit_projection(data.Y, CONFIG)
    for row, choice in zip(found, CHOICES, strict=False):
        expected = []
        for seed in (42, 43):
            index = choose_landmarks(data.Y, 60, projection, choice=choice, random_state=seed)
            *_, step = unroll_landmarks(data.Y, CONFIG, index)
            expected.append(figures(exact, step.X.numpy(), data.labels))
        np.testing.assert_allclose(row[2:], np.mean(expected, axis=0), rtol=1e-6)
        assert 0.05 < row.distance < 1
    *_, other = unroll(data.Y, Config(n_components=16, n_blocks=2, precision="float64", random_state=43))
    np.testing.assert_allclose(found[4][2:], figures(exact, other.X.numpy(), data.labels), rtol=1e-6)
    for row in (*found[2:4], found[5]):  # all tokens as landmarks is the exact run
        assert row.distance == pytest.approx(0, abs=1e-6)
        assert row.common == pytest.approx(1, abs=1e-3)
        assert row.accuracy == found[5].accuracy


def test_lines_are_those_of_the_readme() -> None:
    assert str(Row("1 000", "random", 0.302, 0.3099, 0.85041)) == "| 1 000 | random | 0.30 | 0.31 | 0.850 |"
    assert HEADER.splitlines()[0].count("|") == 6
