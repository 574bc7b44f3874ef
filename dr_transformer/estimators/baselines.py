"""`PCA` and `UMAP`, the scikit-learn faces of `methods/pca.py` and of UMAP's worker process."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.estimators.rows import fitted_rows, new_rows, row_digests, twins
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.approximate import shared_graph
from dr_transformer.methods.graph import KNNGraph, in_float32, usual_exponent
from dr_transformer.methods.pca import fit_pca
from dr_transformer.methods.umap import UMAPSettings
from dr_transformer.methods.umap_worker import UMAPRun, UMAPWorker
from dr_transformer.model.projection import float64_chunks
from dr_transformer.parameters import Parameter
from dr_transformer.types import Floats

_COMPONENTS = Parameter("n_components", int, 2, "", "", "", minimum=1)


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Principal component analysis, exact: scikit-learn's on a CPU, torch's on a GPU, with the same signs.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding, from 1 to min(n_samples, n_features).
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute, in float64: with Apple's GPUs ("mps") on the CPU.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        In float64.
    components_ : ndarray of shape (n_components, n_features)
        The axes, of norm 1, those of most variance first. The largest entry of each is positive.
    mean_ : ndarray of shape (n_features,)
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The share of the variance along each axis.
    n_features_in_ : int

    Examples
    --------
    >>> from dr_transformer import PCA, load
    >>> PCA().fit_transform(load("digits").Y).shape
    (1797, 2)

    """

    def __init__(self, n_components: int = 2, *, device: str = "auto") -> None:
        self.n_components = n_components
        self.device = device

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Embed the rows of X (n_samples, n_features); uint8 is taken as pixels and scaled by 1/255. `y` is ignored.

        Raises ValueError with one sentence for bad data or parameters (`InputError` for what scikit-learn itself does
        not check).
        """
        k = _COMPONENTS.check(self.n_components)
        rows = fitted_rows(self, X)
        found = fit_pca(rows, k, float64_device(Config(device=self.device).device).type)
        self.embedding_, self.mean_, self.components_, self.explained_variance_ratio_ = found
        self._n_features_out = k
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Floats:
        """Fit to X and return `embedding_`, (n_samples, n_components)."""
        return self.fit(X, y).embedding_

    def transform(self, X: npt.ArrayLike) -> Floats:
        """Project new rows X (m, n_features) on the fitted axes: (m, n_components), in float64.

        Numbers are in the unit of the fitted data, whatever their dtype: after a fit of uint8 pixels, from 0 to 255.
        """
        check_is_fitted(self)
        rows = new_rows(self, X)
        with np.errstate(over="ignore", invalid="ignore"):  # reported below, as a sentence
            found = np.concatenate([(chunk - self.mean_) @ self.components_.T for chunk in float64_chunks(rows)])
        if not np.isfinite(found).all():
            raise InputError("the data hold values too large for PCA; scale them to about [0, 1].")
        return found


class UMAP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """UMAP by umap-learn, on the exact kNN graph, in a process of its own.

    umap-learn compiles for some seconds at its first call, and two callers at once can abort their process. So each fit
    starts a process, and ends it; fits that share a `UMAPWorker` compile once.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding, from 2.
    n_neighbors : int, default=15
        Size of a token's neighbourhood, itself included, as umap-learn counts: one more than `LaplacianEigenmaps` has
        for the same graph. No more than n_samples − 1 is used, and `messages_` say so.
    min_dist : float, default=0.1
        How near neighbours may come in the embedding, from 0 to 1.
    n_epochs : int or None, default=None
        Passes of the optimisation; None is umap-learn's choice: 500 up to 10 000 samples, 200 above.
    random_state : int or None, default=42
        A seed gives the same embedding each time, but takes one core; None takes all, and no two results are the same.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        In float32.
    messages_ : tuple of str
        Sentences on what is not as usual.
    seconds_ : float
        Spent on the layout, without the search for neighbours and umap-learn's compilation.
    graph_ : KNNGraph
        Of n_neighbors − 1 others of each token.
    n_features_in_ : int

    References
    ----------
    McInnes, Healy & Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction", 2018.

    Examples
    --------
    >>> from dr_transformer import UMAP, load
    >>> UMAP().fit_transform(load("digits").Y).shape
    (1797, 2)

    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_neighbors: int = 15,
        min_dist: float = 0.1,
        n_epochs: int | None = None,
        random_state: int | None = 42,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.n_epochs = n_epochs
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,
        y: object = None,  # noqa: ARG002
        graph: KNNGraph | None = None,
        worker: UMAPWorker | None = None,
    ) -> Self:
        """Embed the rows of X (n_samples, n_features); uint8 is taken as pixels and scaled by 1/255. `y` is ignored.

        `graph`: the kNN graph of X, if it is at hand, of at least `n_neighbors` − 1 neighbours, as
        `LaplacianEigenmaps().fit(X).graph_` is. `worker`: a process that is there already; who made it closes it.
        Raises ValueError with one sentence for bad data or parameters (`InputError` for what scikit-learn itself does
        not check).
        """
        rows = fitted_rows(self, X, min_samples=4)  # two more than dimensions
        settings = self._settings()
        n = len(rows)
        self.messages_: tuple[str, ...] = ()
        if settings.n_neighbors >= n:
            settings = self._settings(n_neighbors=n - 1)
            self.messages_ = (f"n_neighbors is {n - 1}, the most of {n} tokens.",)
        settings.check(*rows.shape)
        if graph is None:
            graph = shared_graph(rows, settings.n_neighbors - 1)
        with ExitStack() as stack:
            own = worker or stack.enter_context(closing(UMAPWorker()))
            run = _result(own, rows, graph, settings)
        self._settings_used, self._rows, self._digests = settings, rows, row_digests(rows)
        self.graph_ = graph.first(settings.n_neighbors - 1)
        self.embedding_, self.seconds_ = run.frames[-1], run.seconds
        self.messages_ += tuple(run.notes)
        self._n_features_out = self.embedding_.shape[1]
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None, **fit_params: Any) -> npt.NDArray[np.float32]:
        """Fit to X and return `embedding_`, (n_samples, n_components)."""
        return self.fit(X, y, **fit_params).embedding_

    def transform(self, X: npt.ArrayLike, worker: UMAPWorker | None = None) -> npt.NDArray[np.float32]:
        """Lay out new rows X (m, n_features) beside the fitted ones, which stay: (m, n_components).

        As umap-learn does, by the nearest fitted rows, but these are exact. A row equal to a fitted one has its place.
        Numbers are in the unit of the fitted data, whatever their dtype. `worker` as for `fit`. What was fitted is not
        copied: do not change it.
        """
        check_is_fitted(self)
        rows = new_rows(self, X)
        digests = row_digests(rows)
        if digests == self._digests:
            return self.embedding_.copy()
        found = twins(self._digests, digests)
        layout, new = self.embedding_[found], found < 0
        if new.any():
            nearest = self._nearest(rows[new])
            owner = object()
            with ExitStack() as stack:
                own = worker or stack.enter_context(closing(UMAPWorker()))
                run = own.place(self._settings_used, self.embedding_, *nearest, owner)
                layout[new] = _waited(own, run, owner).frames[-1]
        return layout

    def _nearest(self, rows: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Indices and distances (m, k) of the nearest fitted rows, in the scale in which those were laid out."""
        size = usual_exponent(self._rows)
        fitted, new = (in_float32(np.concatenate(list(float64_chunks(part))), -size) for part in (self._rows, rows))
        search = NearestNeighbors(n_neighbors=min(self._settings_used.n_neighbors, len(fitted)), algorithm="brute")
        distances, indices = search.fit(fitted).kneighbors(new)
        return indices.astype(np.int32), distances.astype(np.float32)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # of umap-learn's layouts, whatever the data's
        return tags

    def _settings(self, **changes: Any) -> UMAPSettings:
        return UMAPSettings(**(self.get_params() | changes))


def _result(worker: UMAPWorker, rows: npt.NDArray[Any], graph: KNNGraph, settings: UMAPSettings) -> UMAPRun:
    """The run, once it is done; raises `InputError` if it fails. It stops if this is interrupted."""
    owner = object()  # whose run nobody shares
    return _waited(worker, worker.submit(rows, graph, settings, owner, owner), owner)


def _waited(worker: UMAPWorker, run: UMAPRun, owner: object) -> UMAPRun:
    try:
        run.wait()
    finally:
        worker.release(owner)
    if run.state != "done":
        raise InputError(run.error or "UMAP was stopped before its result.")
    return run
