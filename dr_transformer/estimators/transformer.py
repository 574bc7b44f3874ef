"""`TransformerDR`: the unrolled transformer as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.estimators.rows import fitted_rows, new_rows, row_digests, twins
from dr_transformer.model.collapse import is_lost, sentence
from dr_transformer.model.landmarks import Landmarks, choose_landmarks
from dr_transformer.model.projection import RandomState, fit_projection
from dr_transformer.model.unroll import resolve_device, unroll


class TransformerDR(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Dimensionality reduction by a transformer at its initialisation.

    Rows of the data are tokens. They are projected to `n_components` dimensions and pass through `n_blocks` blocks of
    hand-set attention, LayerNorm and feed-forward (see `dr_transformer.model.unroll`).

    Parameters
    ----------
    n_components : int, default=128
        Latent dimension q.
    n_blocks : int, default=8
        Depth L.
    alpha : float, default=30.0
        Diagonal of the pre-softmax attention matrix; larger means fewer, nearer neighbours.
    eta : float, default=0.4
        Learning rate η, in (0, 1], not ½ (unless `activation="relu"`).
    mask_self : bool, default=True
        Exclude self-attention.
    graph_diffusion : bool, default=False
        Use A − I instead of A.
    projection : {"gaussian", "pca"}, default="gaussian"
    n_heads : int, default=1
        Must divide `n_components`.
    activation : {None, "relu"}, default=None
        Feed-forward activation; "relu" is the paper's sparsity prior.
    random_state : int, RandomState instance or None, default=42
        Of the Gaussian projection.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
    precision : {"auto", "float32", "float64", "bfloat16"}, default="auto"
        "auto" computes in float64 for float64 data and in float32 for everything else. On a processor that does not
        multiply bfloat16, float32 takes its place, and a warning says so.
    landmarks : int or None, default=None
        So many tokens, chosen by k-means++, run the exact model, and all others attend to them alone (see
        `dr_transformer.model.landmarks`): time grows with n_samples, not with its square.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        The latents after the last block.
    trajectory_ : ndarray of shape (n_blocks + 1, n_samples, n_components)
        The latents before the first block and after each; with `landmarks`, those of the landmarks.
    landmarks_ : ndarray of shape (landmarks,) or None
        Which rows are the landmarks.
    projection_ : ndarray of shape (n_features, n_components)
        W_proj.
    messages_ : tuple of str
        A sentence if the tokens have collapsed to one point, of which `fit` warns as well.
    n_features_in_ : int

    Notes
    -----
    PyTorch's threads do not outlive a fork: after `fit`, `transform` in a process forked from this one
    (`multiprocessing` with "fork", the default on Linux before Python 3.14) waits for ever. Use the start methods
    "spawn" or "forkserver", joblib's own workers, or threads.

    References
    ----------
    Ravuri & Lawrence, "Transformers as Unrolled Inference in Probabilistic Laplacian Eigenmaps", arXiv 2507.21040.

    Examples
    --------
    >>> from dr_transformer import TransformerDR, load
    >>> digits = load("digits")
    >>> TransformerDR(n_components=16, alpha=10).fit_transform(digits.Y).shape
    (1797, 16)

    """

    def __init__(
        self,
        n_components: int = 128,
        n_blocks: int = 8,
        alpha: float = 30.0,
        eta: float = 0.4,
        *,
        mask_self: bool = True,
        graph_diffusion: bool = False,
        projection: str = "gaussian",
        n_heads: int = 1,
        activation: str | None = None,
        random_state: RandomState = 42,
        device: str = "auto",
        precision: str = "auto",
        landmarks: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_blocks = n_blocks
        self.alpha = alpha
        self.eta = eta
        self.mask_self = mask_self
        self.graph_diffusion = graph_diffusion
        self.projection = projection
        self.n_heads = n_heads
        self.activation = activation
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.landmarks = landmarks

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Embed the rows of X (n_samples, n_features); uint8 is taken as pixels and scaled by 1/255. `y` is ignored.

        Raises ValueError with one sentence for bad data or parameters (`dr_transformer.errors.InputError` for what
        scikit-learn itself does not check).
        """
        config = self.config()
        Y = fitted_rows(self, X)
        generator = check_random_state(self.random_state)
        self._map = fit_projection(Y, config, generator)
        self.landmarks_ = self._choose_landmarks(Y, generator)
        rows = Y if self.landmarks_ is None else Y[self.landmarks_]
        self.trajectory_ = np.stack([s.X.cpu().numpy() for s in unroll(rows, config, self._map) if s.ends_block])
        self.projection_ = self._map.W
        self._n_features_out = config.n_components
        self._digests = row_digests(rows)
        self.embedding_ = self.trajectory_[-1] if self.landmarks_ is None else self._follow(Y)
        found = torch.from_numpy(self.embedding_)
        self.messages_: tuple[str, ...] = (sentence(found, config.n_blocks),) if is_lost(found) else ()
        for message in self.messages_:
            warnings.warn(message, stacklevel=2)
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None, **fit_params: Any) -> npt.NDArray[np.floating]:
        """Fit to X and return `embedding_`, (n_samples, n_components)."""
        return self.fit(X, y, **fit_params).embedding_

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Embed new rows X (m, n_features) as (m, n_components), against the fitted tokens, which stay as they are.

        Block by block the new tokens attend to the fitted ones, or to their landmarks, not to each other. With
        `mask_self`, a row equal to one of these *is* that token and does not attend to itself, so `transform` of the
        fitted data is `embedding_`. Numbers are in the unit of the fitted data, whatever their dtype: after a fit of
        uint8 pixels, from 0 to 255.
        """
        check_is_fitted(self)
        return self._follow(new_rows(self, X))

    def config(self) -> Config:
        """These parameters, validated, as the frozen `Config` that the numerics take."""
        settings = {n: value for n, value in self.get_params().items() if n not in ("random_state", "landmarks")}
        settings["activation"] = "none" if self.activation is None else self.activation
        if isinstance(self.random_state, Integral):
            settings["random_state"] = self.random_state
        return Config(**settings)

    def _choose_landmarks(
        self, Y: npt.NDArray[np.generic], generator: np.random.RandomState
    ) -> npt.NDArray[np.intp] | None:
        if self.landmarks is None:
            return None
        if not isinstance(self.landmarks, Integral):
            raise InputError(f"landmarks must be a whole number, but is {self.landmarks!r}.")
        seed = self.random_state if isinstance(self.random_state, Integral) else generator
        return choose_landmarks(Y, int(self.landmarks), self._map, random_state=seed)

    def _follow(self, Y: npt.NDArray[np.generic]) -> npt.NDArray[np.floating]:
        config = self.config()
        device = resolve_device(config, self.trajectory_.dtype)
        latents = tuple(torch.from_numpy(X).to(device) for X in np.require(self.trajectory_, requirements=["W"]))
        masked = self._fitted_twins(Y).to(device) if config.mask_self else None
        return Landmarks(np.arange(len(latents[0])), latents, self._map, config).follow(Y, masked)

    def _fitted_twins(self, Y: npt.NDArray[np.generic]) -> torch.Tensor:
        """Return for each row of Y the index of an equal one among the fitted rows (with `landmarks`, among
        these), or −1.
        """
        return torch.from_numpy(twins(self._digests, row_digests(Y))).long()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
