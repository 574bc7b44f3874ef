"""The same numbers are the same rows, whatever dtype they come in: at `fit` the unit is chosen, once."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import TransformerMixin

from dr_transformer import PCA, LaplacianEigenmaps, TransformerDR, load

PIXELS = np.random.default_rng(0).integers(0, 256, (120, 6)).astype(np.uint8)
ESTIMATORS = [PCA(), TransformerDR(n_components=8, n_blocks=2), LaplacianEigenmaps()]
NAMES = [type(estimator).__name__ for estimator in ESTIMATORS]
AS = {
    "int64": lambda U: U.astype(np.int64),
    "int16": lambda U: U.astype(np.int16),
    "float32": lambda U: U.astype(np.float32),
    "float64": lambda U: U.astype(np.float64),
    "a list": lambda U: U.tolist(),
    "a frame": lambda U: pd.DataFrame(U).astype(int).to_numpy(),
}


@pytest.mark.parametrize("kind", AS)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_pixels_are_pixels_in_any_dtype(estimator: TransformerMixin, kind: str) -> None:
    model = estimator.fit(PIXELS)
    expected = model.embedding_
    tolerance = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(model.transform(PIXELS), expected, atol=tolerance)
    np.testing.assert_array_equal(model.transform(AS[kind](PIXELS)), model.transform(PIXELS))
    between = PIXELS[:5].astype(float)
    between[3] += 0.5  # no whole number any more; the other rows are the fitted ones all the same
    found = model.transform(between)
    others = [0, 1, 2, 4]
    np.testing.assert_allclose(found[others], expected[others], atol=tolerance)
    assert 0 < np.abs(found[3] - expected[3]).max() < 0.5 * np.ptp(expected, axis=0).max()


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_other_numbers_are_not_divided_when_they_come_as_bytes(estimator: TransformerMixin, dtype: type) -> None:
    model = estimator.fit(PIXELS.astype(dtype))
    np.testing.assert_allclose(model.transform(PIXELS), model.embedding_, atol=1e-6 * np.abs(model.embedding_).max())


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_a_later_fit_chooses_anew(estimator: TransformerMixin) -> None:
    model = estimator.fit(PIXELS)
    model.fit(PIXELS / 255)
    np.testing.assert_allclose(
        model.transform(PIXELS / 255), model.embedding_, atol=1e-9 + 1e-6 * np.abs(model.embedding_).max()
    )


def test_images_in_whole_numbers_of_any_kind_are_their_twins() -> None:
    Y = load("mnist", 200).Y
    model = TransformerDR(n_components=16, n_blocks=2).fit(Y)
    np.testing.assert_array_equal(model.transform(Y.astype(int)), model.transform(Y))
    np.testing.assert_allclose(model.transform(Y.astype(np.float32)), model.embedding_, atol=1e-6)
