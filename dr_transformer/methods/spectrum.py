"""Laplacian Eigenmaps: the graph computed once from the data, where the transformer infers one at every block.

    W = (G + Gᵀ)/2    the symmetric kNN graph, degrees D = diag(W 1)
    P = D^-½ W D^-½   the normalised adjacency; the Laplacian I − P has the same eigenvectors U and λ = 1 − μ
    X = D^-½ U        for the smallest non-zero λ (`beta = None`): Xᵀ D X = I, as scikit-learn's `SpectralEmbedding`
    X = U (Λ⁻¹ − βI)^½                           the ProbDR estimate: Xᵀ X = Λ⁻¹ − βI

A graph in c parts has λ = 0 c times. Those eigenvectors only say which part a token is in, and Λ⁻¹ has no value for
them. So all are left out, as the definition says: each coordinate is then an eigenvector of one part, and 0 on the
others, and `messages` say so. Parts that consist of copies of a single token have no shape and get no coordinate.

Belkin & Niyogi, "Laplacian Eigenmaps for Dimensionality Reduction and Data Representation", 2003; Ravuri et al.,
"Dimensionality Reduction as Probabilistic Inference", 2023; out of sample: Bengio et al., NIPS 2003.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.utils import check_random_state
from sklearn.utils.extmath import svd_flip

from dr_transformer.errors import InputError
from dr_transformer.methods.graph import KNNGraph, adjacency, components
from dr_transformer.methods.lanczos import eigsh
from dr_transformer.model.projection import RandomState
from dr_transformer.types import Floats

_DENSE = 256  # up to so many tokens, all eigenvectors at once are cheaper than Lanczos and never miss a multiple one
_RESTARTS = (
    300  # of Lanczos, before the Laplacian is factorised instead: long thin graphs have tiny gaps, and cheap factors
)


@dataclass(frozen=True, eq=False)
class Eigenmaps:
    """The spectrum of a kNN graph and the embedding made of it.

    `P`, csr (n, n): the normalised adjacency. `degrees` (n,). `parts` (n,): the connected part of each token, 0 the
    largest. `eigenvalues` (k,): λ of the Laplacian, ascending, non-zero. `eigenvectors` (n, k): U, orthonormal; signs
    make the largest entry of each column of D^-½ U positive. `shaped` (n,): False in parts made of copies of one token.
    `messages`: sentences for people on what is not as usual.
    """

    P: sparse.csr_array
    degrees: Floats
    parts: npt.NDArray[np.intp]
    shaped: npt.NDArray[np.bool_]
    eigenvalues: Floats
    eigenvectors: Floats
    beta: float | None
    messages: tuple[str, ...]

    @property
    def embedding(self) -> Floats:
        """X (n, k)."""
        return self.coordinates(self.eigenvectors, self.degrees)

    def coordinates(self, U: Floats, degrees: Floats) -> Floats:
        """Return what the embedding makes of values U (m, k) of the eigenvectors at tokens of these degrees
        (m,): (m, k).
        """
        if self.beta is None:
            return U / np.sqrt(degrees)[:, None]
        return U * np.sqrt(1 / self.eigenvalues - self.beta)

    def extend(self, weights: sparse.csr_array) -> Floats:
        """Nyström: tokens with these edges (m, n) to the graph's, embedded as (m, k). Exact for its own: `adjacency`.

        P U = μ U read as a rule for one more token: its neighbours' mean, over μ = 1 − λ.
        """
        mu = 1 - self.eigenvalues
        if (vanishing := np.abs(mu) < 1e-6).any():
            raise InputError(
                f"coordinate {int(np.argmax(vanishing)) + 1} cannot be extended to new tokens: its eigenvalue is 1, so "
                "the mean of a token's neighbours does not determine it; fit fewer components, or more tokens."
            )
        degrees = weights.sum(axis=1)
        means = weights @ (self.eigenvectors / np.sqrt(self.degrees)[:, None]) / np.sqrt(degrees)[:, None]
        return self.coordinates(means / mu, degrees)


def laplacian_eigenmaps(
    graph: KNNGraph, n_components: int = 2, *, beta: float | None = None, random_state: RandomState = 42
) -> Eigenmaps:
    """The eigenvectors of `graph` with the `n_components` smallest non-zero eigenvalues, and their embedding.

    By Lanczos from the large end of the normalised adjacency, part by part. `random_state` draws its start vector; the
    result depends on it by rounding alone. Raises `InputError` where there are not as many eigenvectors (n minus the
    number of parts), where all tokens' neighbours are copies of them, and for β > 1/λ.
    """
    W = adjacency(graph)
    degrees, parts = W.sum(axis=1), components(W)
    roots = np.sqrt(degrees)
    P = W.multiply(1 / roots[:, None]).multiply(1 / roots).tocsr()
    spread = np.bincount(parts, weights=(graph.distances > 0).sum(axis=1))
    shaped = spread[parts] > 0
    sizes = np.bincount(parts)
    _refuse(n_components, sizes, spread > 0, graph.n_neighbors)
    generator = check_random_state(random_state)
    found = []
    for part in np.flatnonzero(spread > 0):
        members = np.flatnonzero(parts == part)
        block = P if len(sizes) == 1 else P[members][:, members]
        mu, U = _modes(block, roots[members], min(n_components, len(members) - 1), generator)
        found += [(value, members, U[:, j]) for j, value in enumerate(mu)]
    found = sorted(found, key=lambda mode: -mode[0])[:n_components]
    eigenvectors = np.zeros((len(parts), n_components))
    for j, (_, members, mode) in enumerate(found):
        eigenvectors[members, j] = mode
    eigenvectors = svd_flip(eigenvectors / roots[:, None], None)[0] * roots[:, None]
    eigenvalues = np.array([max(1 - value, np.finfo(float).tiny) for value, *_ in found])
    _check_beta(beta, eigenvalues)
    messages = _report(sizes, shaped, eigenvectors, graph.n_neighbors)
    if graph.recall < 1:
        messages = (f"The graph is approximate: it has {graph.recall:.1%} of the true neighbours.", *messages)
    return Eigenmaps(P, degrees, parts, shaped, eigenvalues, eigenvectors, beta, messages)


def _modes(P: sparse.csr_array, roots: Floats, count: int, generator: np.random.RandomState) -> tuple[Floats, Floats]:
    """The `count` largest eigenvalues, descending, and eigenvectors of a connected P; not the trivial one, √degree."""
    n = len(roots)
    trivial = roots / np.linalg.norm(roots)
    if n <= _DENSE or n < 4 * count:
        # The trivial eigenvalue 1 becomes −2, below all others.
        mu, U = linalg.eigh(P.toarray() - 3 * np.outer(trivial, trivial), subset_by_index=[n - count, n - 1])
        return mu[::-1], U[:, ::-1]
    start = generator.uniform(-1, 1, n)
    try:
        V = eigsh(P, count + 1, which="LA", v0=start, maxiter=_RESTARTS)[1]
    except ArpackNoConvergence:
        V = eigsh(sparse.eye_array(n, format="csc") - P, count + 1, sigma=-1e-5, which="LM", v0=start)[1]
    V = V @ linalg.null_space((trivial @ V)[None])  # what of their span is orthogonal to the trivial one
    mu, turn = np.linalg.eigh(V.T @ (P @ V))
    return mu[::-1], (V @ turn)[:, ::-1]


def _refuse(n_components: int, sizes: npt.NDArray[np.intp], shaped: npt.NDArray[np.bool_], n_neighbors: int) -> None:
    if n_components < 1:
        raise InputError(f"n_components must be at least 1, but is {n_components}.")
    available = int((sizes[shaped] - 1).sum())
    if available == 0:
        raise InputError(
            f"the {n_neighbors} nearest neighbours of every token are exact copies of it, so the graph joins nothing "
            "but copies; remove the duplicates, or use more neighbours than there are copies."
        )
    if n_components > available:
        where = f"of {sizes.sum()} tokens" + (f" in {len(sizes)} parts" if len(sizes) > 1 else "")
        advice = ", or use more neighbours" if len(sizes) > 1 else ", or use more tokens"
        raise InputError(
            f"n_components = {n_components} is more than the {available} non-zero eigenvectors that a graph {where} "
            f"has; choose at most {available}{advice}."
        )


def _check_beta(beta: float | None, eigenvalues: Floats) -> None:
    if beta is None:
        return
    if not beta >= 0 or math.isinf(beta):
        raise InputError(f"beta must be a number from 0, or None, but is {beta!r}.")
    largest = float(1 / eigenvalues[-1])
    if beta > largest:
        raise InputError(
            f"beta = {beta:g} is above 1/λ = {largest:.4g} of coordinate {len(eigenvalues)}, whose variance 1/λ − β "
            f"would be negative; choose beta up to {largest:.4g}, or fewer components."
        )


def _report(
    sizes: npt.NDArray[np.intp], shaped: npt.NDArray[np.bool_], eigenvectors: Floats, n_neighbors: int
) -> tuple[str, ...]:
    if len(sizes) == 1:
        return ()
    shown = ", ".join(str(size) for size in sizes[:4]) + (", …" if len(sizes) > 4 else "")
    messages = [
        f"The graph of {n_neighbors} neighbours falls into {len(sizes)} parts (of {shown} tokens): each coordinate "
        "tells tokens of one part apart and is 0 on the others; more neighbours may join them."
    ]
    if idle := int((eigenvectors == 0).all(axis=1).sum()):
        messages.append(f"{idle} tokens are in parts without a coordinate among these, and lie at the origin.")
    if copies := int((~shaped).sum()):
        messages.append(f"{copies} tokens are in parts that consist of copies of a single token.")
    return tuple(messages)
