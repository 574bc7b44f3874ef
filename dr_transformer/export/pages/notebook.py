"""The live page in a notebook: `dr_transformer.show(Y, labels)`."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset, from_arrays, load, subset
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export.files import check_page, whole_file
from dr_transformer.export.pages.live_page import LIVE_TOKENS, live_page

HEIGHT = 760
"""The height of the frame in CSS pixels, in which picture, sliders and legend stand without scrolling."""


@dataclass(frozen=True)
class Shown:
    """Hold a live page. A notebook shows it in a frame of its own; `save` writes it as a file.

    The page has no network and needs none: it works in Jupyter, VS Code and Colab, and from the saved notebook.
    """

    page: bytes = field(repr=False)
    n_samples: int
    height: int = HEIGHT

    def _repr_html_(self) -> str:
        """Return the page as a frame; its scripts see nothing of the notebook."""
        source = html.escape(self.page.decode())
        return (
            f'<iframe srcdoc="{source}" sandbox="allow-scripts allow-downloads" title="{self.n_samples} tokens pass '
            f'through a transformer" style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to `path`, whose name ends in .html, and return that. Raises `InputError`."""
        path = Path(path)
        check_page(path)
        with whole_file(path) as target:
            target.write_bytes(self.page)
        return path


def show(
    Y: npt.ArrayLike | Dataset | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    n_samples: int = LIVE_TOKENS,
    height: int = HEIGHT,
    **config: Any,
) -> Shown:
    """Show tokens passing through the untrained transformer, with α, η and depth to drag, in a notebook.

    `Y` (n, d) are the tokens, an array, a list or a DataFrame; without, MNIST's first images. `labels` (n,) are their
    classes. Of more than `n_samples` tokens a subset is shown, balanced by class, for a browser computes them all.
    `config` are `Config`'s parameters: `show(Y, labels, alpha=10, n_blocks=4)`. Raises `InputError`.
    """
    settings = Config(**config)
    if Y is None:
        dataset = load("mnist", n_samples, settings.random_state)
    elif isinstance(Y, Dataset):
        dataset = subset(Y, n_samples, settings.random_state)
    else:
        dataset = from_arrays(Y, labels, n_samples, settings.random_state)
    run = Run(dataset, settings)
    run.owners.add("show")
    run.work()
    if run.error is not None:
        raise InputError(run.error)
    return Shown(live_page(run, ViewConfig()), dataset.n_samples, height)
