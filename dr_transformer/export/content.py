"""From latents and baselines to drawings: what each template shows. `templates.py` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.errors import InputError
from dr_transformer.export.charts import Curves, Matrix
from dr_transformer.export.figure_config import FigureConfig
from dr_transformer.export.templates import Map, Maps
from dr_transformer.model.magnitude import drawable
from dr_transformer.model.planes import blocks_in_view, blocks_needed, in_view, laid_on
from dr_transformer.theory.attention_graph import IMAGE_SIZE, attention_image, class_order
from dr_transformer.types import Check, Floats

MAX_PANELS = 65  # of a strip: more cannot be read
_A_ROW = 9  # panels of a strip side by side: the paper's eight blocks, and block 0


def shown_block(options: FigureConfig, config: Config) -> int:
    """The block that the templates methods and attention show; `InputError` for one that there is not."""
    if options.block is not None and options.block > config.n_blocks:
        raise InputError(f"block = {options.block} is not there: this run has the blocks 0 to {config.n_blocks}.")
    return config.n_blocks if options.block is None else options.block


def latents_needed(options: FigureConfig, config: Config, view: ViewConfig) -> set[int]:
    """The blocks whose latents the template is made of. Raises `InputError` for a block or a strip that cannot be."""
    block = shown_block(options, config)
    if options.template == "strip" and config.n_blocks >= MAX_PANELS:
        raise InputError(
            f"a strip of {config.n_blocks + 1} panels cannot be read; use at most {MAX_PANELS - 1} blocks."
        )
    everything = set(range(config.n_blocks + 1))
    if options.template == "attention":
        return {block}
    shown = {"figure1": {config.n_blocks}, "methods": {block}}.get(options.template, everything)
    return shown if options.template == "metrics" else blocks_needed(shown, config, view)


def figure1(start: Floats, latents: Mapping[int, Floats], dataset: Dataset, config: Config, view: ViewConfig) -> Maps:
    """The paper's figure 1: Y W_proj (n, q) on the left, the last block on the right."""
    last = config.n_blocks
    panels = [
        Map("random projection" if config.projection == "gaussian" else "PCA", in_view([drawable(start)], view)[0]),
        Map(f"block {last}", blocks_in_view(latents, view, last)[last]),
    ]
    return Maps(panels, dataset.labels, dataset.class_names, columns=2, side=4, as_paper=True)


def strip(latents: Mapping[int, Floats], dataset: Dataset, config: Config, view: ViewConfig) -> Maps:
    """Every block, from 0 to L."""
    planes = blocks_in_view(latents, view, config.n_blocks)
    panels = [Map(f"block {block}", planes[block]) for block in range(config.n_blocks + 1)]
    rows = -(-len(panels) // _A_ROW)
    columns = -(-len(panels) // rows)
    same = view.scale == "final"
    return Maps(panels, dataset.labels, dataset.class_names, columns=columns, side=1.4, same_scale=same)


def methods(
    latents: Mapping[int, Floats],
    baselines: Mapping[str, Floats | str],
    titles: Mapping[str, str],
    dataset: Dataset,
    config: Config,
    view: ViewConfig,
    options: FigureConfig,
    align: str = "none",
) -> Maps:
    """The transformer's block next to the baselines, by name: coordinates (n, k), or why there are none.

    `baselines` and `titles` go by the names in `config.ALIGNMENTS`, one of which, or "none", `align` is.
    """
    block = shown_block(options, config)
    maps: dict[str, Floats | str] = {"transformer": blocks_in_view(latents, view, config.n_blocks)[block]}
    maps |= {name: found if isinstance(found, str) else drawable(found[:, :2]) for name, found in baselines.items()}
    target = maps.get(align)
    if isinstance(target, np.ndarray):
        maps = {
            name: found if isinstance(found, str) or name == align else laid_on(found[None], target)[0]
            for name, found in maps.items()
        }
    named = {"transformer": f"Transformer, block {block}", **titles}
    panels = [
        Map(f"{named[name]}: {found}", None) if isinstance(found, str) else Map(named[name], found)
        for name, found in maps.items()
    ]
    return Maps(panels, dataset.labels, dataset.class_names, columns=len(panels), side=2.4)


def metrics(
    curves: Mapping[str, Sequence[float | None]], levels: Mapping[str, Mapping[str, float | None]] | None = None
) -> Curves:
    """Quality over depth, by title; `InputError` if nothing could be measured."""
    found = {title: values for title, values in curves.items() if any(value is not None for value in values)}
    if not found:
        raise InputError("nothing was measured over depth, so there are no curves to draw; use more tokens.")
    return Curves(found, {title: (levels or {}).get(title, {}) for title in found} if levels else {})


def attention(
    latents: Mapping[int, Floats], dataset: Dataset, config: Config, options: FigureConfig, check: Check | None = None
) -> Matrix:
    """The matrix A that the latents of a block give (the next block applies it), tokens ordered by class.

    Up to `IMAGE_SIZE` tokens each cell is an entry of A; beyond, what the tokens of a bin pay to a bin on average.
    """
    block, n = shown_block(options, config), dataset.n_samples
    labels = np.zeros(n, dtype=int) if dataset.labels is None else dataset.labels
    order = class_order(labels)
    cells = attention_image(
        torch.from_numpy(latents[block]),
        order,
        alpha=config.alpha,
        n_heads=config.n_heads,
        mask_self=config.mask_self,
        check=check,
    )
    present, first = np.unique(labels[order], return_index=True)
    names = dataset.class_names if dataset.labels is not None else ("tokens",)
    classes = [(names[label], start / n) for label, start in zip(present, first, strict=True)]
    unit = "attention" if n <= IMAGE_SIZE else f"attention, {len(cells)} × {len(cells)} bins of tokens"
    return Matrix(f"Attention at the latents of block {block}", cells, classes, unit)
