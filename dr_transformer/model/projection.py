"""The first latents: pixels projected to n_components dimensions, by a random Gaussian matrix or by PCA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.model.magnitude import exponent

_CHUNK = 4096  # rows at a time, so that 70 000 images never stand in memory as float64

RandomState = int | np.random.RandomState | None


@dataclass(frozen=True)
class Projection:
    """An affine map Y ↦ (Y − mean) W: `W` is (d, q), `mean` (d,), both float64."""

    W: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]

    def __call__(self, Y: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Project Y (n, d) to (n, q), in float64 as the published figure does. uint8 is taken as pixels, / 255.

        A row that is projected to a constant (a black image, to zeros) becomes zero in the LayerNorm that follows, by
        its ε, as in the oracle: it attends to all others alike. Raises `InputError` for values too large to project.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # reported below, as a sentence
            scores = np.concatenate([(chunk - self.mean) @ self.W for chunk in float64_chunks(Y)])
        if not np.isfinite(scores).all():
            raise InputError("the data hold values too large to project; scale them to about [0, 1].")
        return scores


def fit_projection(
    Y: npt.NDArray[np.generic], config: Config, generator: np.random.RandomState | None = None
) -> Projection:
    """The projection for tokens Y (n, d): i.i.d. N(0, 1/d) entries, or the leading principal axes.

    `generator` stands in for one seeded by `config.random_state`. The Gaussian matrix is drawn as the
    published figure draws it: `numpy.random.RandomState(seed).normal(size=(d, q)) / sqrt(d)`.
    """
    n, d = Y.shape
    q = config.n_components
    if not Y.any():
        raise InputError("all tokens are blank: every value is 0, so nothing tells them apart; give other data.")
    if config.projection == "pca":
        if q > min(n, d):
            raise InputError(
                f"n_components = {q} is more than PCA can give for {n} tokens of {d} values; use at most {min(n, d)}, "
                "or projection = 'gaussian'."
            )
        from sklearn.decomposition import PCA

        solver = "covariance_eigh" if n >= d else "full"  # both exact and without randomness
        X = np.concatenate(list(float64_chunks(Y)))
        size = exponent(float(np.abs(X).max()))
        pca = PCA(n_components=q, svd_solver=solver).fit(np.ldexp(X, -size))
        return Projection(pca.components_.T, np.ldexp(pca.mean_, size))
    generator = generator or check_random_state(config.random_state)
    return Projection(generator.normal(size=(d, q)) / np.sqrt(d), np.zeros(d))


def float64_chunks(Y: npt.NDArray[np.generic]) -> Iterator[npt.NDArray[np.float64]]:
    """Y (n, d) in float64, some rows at a time; uint8 is taken as pixels and scaled to [0, 1]."""
    scale = 255.0 if Y.dtype == np.uint8 else 1.0
    for start in range(0, len(Y), _CHUNK):
        yield Y[start : start + _CHUNK].astype(np.float64) / scale
