"""The sample of tokens that the browser runs by itself while a slider is dragged, and what it is told of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.canvas.blob import Blob
from dr_transformer.canvas.parts import classes
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.projection import fit_projection
from dr_transformer.model.unroll import check_tokens, layer_norm

MOST_TOKENS = 2_000
"""Sent to the browser, which takes as many of them as it can run ten times a second (`assets/live/engine.js`)."""
MOST_COMPONENTS = 256


def is_live(config: Config, view: ViewConfig) -> bool:
    """Tell whether the browser can draw this model in this view by itself: two latent axes, q up to 256."""
    return view.view == "axes" and config.n_components <= MOST_COMPONENTS


def live_key(dataset: Dataset, config: Config) -> str:
    """Return a name for the first latents: for all that they depend on."""
    return f"{dataset.key} {config.projection} {config.n_components} {config.random_state}"


def live_spec(dataset: Dataset, config: Config, view: ViewConfig) -> dict[str, Any]:
    """Return what `assets/live/live.js` needs to know besides the tokens, with the values that the picture has."""
    last = config.n_components - 1
    return {
        "live_key": live_key(dataset, config),
        "n_blocks": config.n_blocks,
        "n_heads": config.n_heads,
        "mask_self": config.mask_self,
        "graph_diffusion": config.graph_diffusion,
        "relu": config.activation == "relu",
        "columns": [min(view.first_axis, last), min(view.second_axis, last)],
        "scale": dataset.n_samples**-0.5,  # the sample is drawn on the axes of the whole, whose latents are LN(X) / √n
        "values": {"alpha": config.alpha, "eta": config.eta},
    }


def balanced_order(labels: npt.NDArray[np.integer[Any]], n_samples: int, random_state: int) -> npt.NDArray[np.uint32]:
    """Return positions (n_samples,) of which every beginning is class-balanced: one of each class by turns, seeded."""
    generator = np.random.RandomState(random_state)
    shuffled = generator.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.intp)
    for label in np.unique(labels):
        turn[np.flatnonzero(labels[shuffled] == label)] = np.arange((labels == label).sum())
    return shuffled[np.argsort(turn, kind="stable")][:n_samples].astype(np.uint32)


@dataclass(eq=False)
class LiveTokens(Background):
    """The latents of block 0 of a sample, as the component "live_tokens" receives them. A job of `jobs.Runner`.

    `packed` is a blob with `index` (m,), the sample's tokens, and `X` (m, q) float32, at norm √q. It stays empty where
    tokens cannot be run: nobody need say so here, for the exact run does.
    """

    AT_ONCE: ClassVar = True

    dataset: Dataset
    config: Config
    key: str
    packed: bytes = b""

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return len(self.packed)

    def _work(self) -> None:
        self.packed = self._pack()
        self.complete = True

    def _pack(self) -> bytes:
        dataset, config = self.dataset, self.config
        labels, _ = classes(dataset)
        index = balanced_order(labels, MOST_TOKENS, config.random_state)
        projection = fit_projection(check_tokens(dataset.Y), config)
        self._check()
        X = first_latents(projection(dataset.Y[index]))
        blob = Blob()
        header = {
            "key": self.key,
            "live_key": live_key(dataset, config),
            "n_components": config.n_components,
            "index": blob.add(index),
            "X": blob.add(X),
        }
        return blob.pack(header)


def first_latents(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return LN(Y W_proj) of projected tokens (m, q), at norm √q."""
    X: npt.NDArray[np.float32] = layer_norm(moderate(torch.from_numpy(scores)), 1).to(torch.float32).numpy()
    return X
