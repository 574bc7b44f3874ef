"""Which data a task learns from: what the flags say, loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dr_transformer.errors import InputError

if TYPE_CHECKING:
    from dr_transformer.training.data import TaskData


@dataclass(frozen=True)
class Sources:
    """Where the data are: a text or token files for lm; a data set, its folder and how many images for vit."""

    text: Path | None = None
    tokens: Path | None = None
    dataset: str | None = None
    data_folder: Path | None = None
    n_samples: int | None = None


def load_data(task: str, preset: str, sources: Sources, say: Callable[[str], None]) -> TaskData:
    """What a task learns from. Raises `InputError`, also for sources that are not of this task."""
    if task == "vit":
        from dr_transformer.training.images import load_images

        if sources.text or sources.tokens:
            raise InputError("vit learns from images: --text and --tokens are for lm.")
        dataset = sources.dataset or ("imagenet16" if preset == "imagenet16" else "mnist")
        return load_images(dataset, sources.data_folder, say, sources.n_samples)
    from dr_transformer.training.text import load_text, load_tokens

    if sources.dataset or sources.data_folder or sources.n_samples:
        raise InputError("lm learns from text: --dataset, --data-folder and --n-samples are for vit.")
    if sources.text and sources.tokens:
        raise InputError("lm learns from one thing: give --text or --tokens, not both.")
    if sources.tokens:
        return load_tokens(sources.tokens, say)
    if preset == "gpt2" and not sources.text:
        raise InputError("gpt2 learns from token files: give --tokens, the folder of train.bin and val.bin, or --text.")
    return load_text(sources.text, say)
