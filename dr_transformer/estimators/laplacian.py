"""`LaplacianEigenmaps`, the scikit-learn face of `methods/graph.py` and `methods/spectrum.py`."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.estimators.rows import fitted_rows, new_rows
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.approximate import shared_graph
from dr_transformer.methods.graph import KNNGraph, new_edges
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.model.projection import RandomState
from dr_transformer.types import Floats


class LaplacianEigenmaps(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Laplacian Eigenmaps of the kNN graph, by Lanczos, with an extension to new data.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding.
    n_neighbors : int, default=15
        Others that each token has an edge to; no more than n_samples − 1 are used, and `messages_` say so.
    beta : float or None, default=None
        None: the embedding is D^-½ U, as of scikit-learn's `SpectralEmbedding`, and Xᵀ D X = I. A number: it is the
        ProbDR estimate U (Λ⁻¹ − βI)^½, and Xᵀ X = Λ⁻¹ − βI; β must not exceed the least of Λ⁻¹.
    random_state : int, RandomState instance or None, default=42
        Of the start vector of Lanczos. The result depends on it by rounding alone.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Of the search for neighbours, which needs float64: on Apple's GPUs ("mps") it is the CPU.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        In float64. Signs are such that the largest entry of each column of D^-½ U is positive.
    eigenvalues_ : ndarray of shape (n_components,)
        λ of the symmetrically normalised Laplacian, ascending, without the zeros (one for each connected part).
    n_connected_components_ : int
    connected_components_ : ndarray of shape (n_samples,)
        The connected part of each sample, 0 the largest. Each coordinate is an eigenvector of one part, 0 elsewhere.
    messages_ : tuple of str
        Sentences on what is not as usual: a graph in parts, fewer neighbours than asked for.
    graph_ : KNNGraph
    eigenmaps_ : Eigenmaps
        The normalised adjacency, degrees, eigenvectors U, and more.
    n_features_in_ : int

    Notes
    -----
    As with `TransformerDR`, after `fit` use no process forked from this one, but "spawn", "forkserver" or joblib's.

    References
    ----------
    Belkin & Niyogi, "Laplacian Eigenmaps for Dimensionality Reduction and Data Representation", 2003.

    Examples
    --------
    >>> from dr_transformer import LaplacianEigenmaps, load
    >>> LaplacianEigenmaps().fit_transform(load("digits").Y).shape
    (1797, 2)

    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_neighbors: int = 15,
        beta: float | None = None,
        random_state: RandomState = 42,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.random_state = random_state
        self.device = device

    def fit(self, X: npt.ArrayLike, y: object = None, graph: KNNGraph | None = None) -> Self:  # noqa: ARG002
        """Embed the rows of X (n_samples, n_features); uint8 is taken as pixels and scaled by 1/255. `y` is ignored.

        `graph`: the kNN graph of X, if it is at hand, of at least `n_neighbors` neighbours. Raises ValueError with one
        sentence for bad data or parameters (`InputError` for what scikit-learn itself does not check).
        """
        self._check()
        self._rows = fitted_rows(self, X)
        n = len(self._rows)
        n_neighbors = min(self.n_neighbors, n - 1)
        if graph is None:
            graph = shared_graph(self._rows, n_neighbors, device=self._device())
        elif len(graph.indices) != n:
            raise InputError(
                f"the graph is of {len(graph.indices)} tokens, but the data have {n}; give the data's own."
            )
        self.graph_ = graph.first(n_neighbors)
        self.eigenmaps_ = laplacian_eigenmaps(
            self.graph_, self.n_components, beta=self.beta, random_state=self.random_state
        )
        self.embedding_ = self.eigenmaps_.embedding
        self.eigenvalues_ = self.eigenmaps_.eigenvalues
        self.connected_components_ = self.eigenmaps_.parts
        self.n_connected_components_ = int(self.connected_components_.max()) + 1
        self.messages_ = self.eigenmaps_.messages
        if n_neighbors < self.n_neighbors:
            clipped = f"{n} tokens have only {n_neighbors} others each: n_neighbors is {n_neighbors}."
            self.messages_ = (clipped, *self.messages_)
        self._n_features_out = self.embedding_.shape[1]
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None, **fit_params: Any) -> Floats:
        """Fit to X and return `embedding_`, (n_samples, n_components)."""
        return self.fit(X, y, **fit_params).embedding_

    def transform(self, X: npt.ArrayLike) -> Floats:
        """Embed new rows X (m, n_features) among the fitted ones, which stay as they are: Nyström, (m, n_components).

        A new token has the edges that it would have if it joined the graph alone, and is the mean of its neighbours
        (weighted by them) over 1 − λ. A row equal to a fitted one *is* that token, and gets its `embedding_` exactly. A
        row hardly different is a new token beside it, not the same one, and comes to lie near: for 2 000 MNIST images
        0.5 % of the cloud's root mean square radius away in the median (with `beta`, 2 %), 14 % at worst. Numbers
        are in the unit of the fitted data, whatever their dtype: after a fit of uint8 pixels, from 0 to 255.
        """
        check_is_fitted(self)
        rows = new_rows(self, X)
        weights, twins = new_edges(rows, self._rows, self.graph_, device=self._device())
        result = self.embedding_[twins]
        if (new := twins < 0).any():
            result[new] = self.eigenmaps_.extend(weights[new])
        return result

    def _check(self) -> None:
        for name in ("n_components", "n_neighbors"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} must be a whole number from 1, but is {value!r}.")

    def _device(self) -> str:
        return float64_device(Config(device=self.device).device).type
