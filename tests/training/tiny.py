"""Data and settings small enough to train in a moment, and files of both kinds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dr_transformer.training.data import DataInfo, ImageData, TextData
from dr_transformer.training.images import IMAGENET_BATCHES, IMAGENET_VALIDATION
from dr_transformer.training.settings import LMSettings, RunConfig, Settings, ViTSettings
from dr_transformer.training.text import characters
from tests.helpers.machine import DEVICES

RUNS = {device: RunConfig(device=device, compile="no") for device in DEVICES}

LM = LMSettings(
    n_layer=2, n_head=2, n_embd=16, block_size=8, batch_size=4, max_iters=12, warmup_iters=3, eval_interval=5
)
VIT = ViTSettings(
    n_layer=2, n_head=2, n_embd=16, batch_size=8, bias=True, max_iters=12, warmup_iters=3, eval_interval=5
)
SETTINGS: dict[str, Settings] = {"lm": LM, "vit": VIT}


def text(n: int = 2000) -> str:
    """Words of a few letters in a random order."""
    words = ["to ", "be ", "or ", "not ", "that ", "is ", "the ", "question\n"]
    picked = np.random.default_rng(0).integers(len(words), size=n)
    return "".join(words[i] for i in picked)


def text_data(n: int = 2000) -> TextData:
    return characters(text(n), "words", "made for a test", f"{n}")


def image_data(n: int = 120, side: int = 8, channels: int = 1) -> ImageData:
    """Two classes, of which one is brighter at the top."""
    random = np.random.default_rng(1)
    labels = random.integers(2, size=n)
    images = random.integers(0, 128, size=(n, channels, side, side), dtype=np.uint8)
    images[labels == 1, :, : side // 2] += 100
    k = n - 40
    info = DataInfo("noise", "made for a test", f"{n}-{side}-{channels}", "nothing", k, 40)
    return ImageData(images[:k], labels[:k], images[k:], labels[k:], 2, info)


def data(task: str) -> Any:
    return text_data() if task == "lm" else image_data()


def changed(task: str, **values: Any) -> Settings:
    return replace(SETTINGS[task], **values)


def write_imagenet(folder: Path, n: int = 12) -> list[np.ndarray]:
    """All eleven files of downsampled ImageNet in miniature; returns the arrays of the training batches."""
    random, written = np.random.default_rng(2), []
    for name in (*IMAGENET_BATCHES, IMAGENET_VALIDATION):
        images = random.integers(0, 256, size=(n, 768), dtype=np.uint8)
        labels = random.integers(1, 1001, size=n)
        np.savez(folder / name, data=images, labels=labels, mean=images.mean(axis=0))
        written.append(images)
    return written[:-1]
