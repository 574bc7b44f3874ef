"""A model that is mapped from its file, read-only, is as good as one in memory."""

from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import TransformerMixin

from dr_transformer import PCA, LaplacianEigenmaps, TransformerDR

X = np.random.default_rng(0).normal(size=(120, 6))


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(),
        LaplacianEigenmaps(),
        TransformerDR(n_components=8, n_blocks=2),
        TransformerDR(n_components=8, n_blocks=2, landmarks=30),
        TransformerDR(n_components=6, n_blocks=2, projection="pca"),
    ],
)
def test_a_mapped_model_transforms_as_the_one_in_memory(estimator: TransformerMixin, tmp_path: Path) -> None:
    new = np.random.default_rng(1).normal(size=(20, 6))
    model = estimator.fit(X)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for rows in (X, new):
        np.testing.assert_array_equal(mapped.transform(rows), model.transform(rows))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_data_may_be_read_only_too(dtype: type, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", (40 * np.abs(X) + 1).astype(dtype))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for estimator in (PCA(), LaplacianEigenmaps(), TransformerDR(n_components=8, n_blocks=2)):
        expected = estimator.fit_transform(np.array(mapped))
        np.testing.assert_array_equal(estimator.fit_transform(mapped), expected)
        np.testing.assert_allclose(estimator.transform(mapped), expected, atol=1e-6 * np.abs(expected).max())
