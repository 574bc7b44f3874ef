"""What is large: 70 000 tokens exactly, and a million by landmarks. Minutes, so only on request, and once each."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.bench import Case
from dr_transformer.bench_transformer import by_landmarks, from_pixels, relative
from dr_transformer.config import Config
from dr_transformer.data import load
from dr_transformer.errors import InputError

WHOLE = 70_000
GROWTH = (10_000, 100_000, 1_000_000)
N_LANDMARKS = 1000

Array = npt.NDArray[Any]


def large_cases(whole: int = WHOLE, growth: Sequence[int] = GROWTH, n_landmarks: int = N_LANDMARKS) -> Iterator[Case]:
    """The exact run of `whole` tokens in both precisions, and how the time of landmarks grows over `growth`."""
    Y, source = whole_mnist(whole)
    config = Config(device="cpu", precision="float32")
    name = f"{config.n_blocks} blocks, n = {whole}{source}"
    yield Case(
        f"{name}, bfloat16",
        functools.partial(from_pixels, Y, Config(device="cpu", precision="bfloat16")),
        "ours, float32",
        functools.partial(from_pixels, Y, config),
        lambda ours, theirs: {"relative error": relative(ours, theirs.astype(np.float64))},
        repeats=1,
        warm=False,
    )
    seconds: dict[int, float] = {}

    def timed(n: int) -> Array:
        Y = repeated(n)
        began = time.perf_counter()
        found = by_landmarks(Y, n_landmarks, config)
        seconds[n] = time.perf_counter() - began
        return found

    def exponent(*_: Any) -> dict[str, float]:
        if len(seconds) < 2:
            return {}
        sizes, times = zip(*sorted(seconds.items()), strict=True)
        overall = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        last = math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])
        return {"exponent of growth": float(overall), "of the last step": last}

    for n in growth:
        yield Case(
            f"{n_landmarks} landmarks, n = {n} (repeated with noise)",
            functools.partial(timed, n),
            errors=exponent,
            repeats=1,
            warm=False,
        )


def whole_mnist(n_samples: int) -> tuple[Array, str]:
    """Tokens (n_samples, 784) of MNIST and "", or where the whole of it is not at hand the sample repeated, said so."""
    try:
        return load("mnist", n_samples, folder=os.environ.get("DR_TRANSFORMER_DATA")).Y, ""
    except InputError:
        return repeated(n_samples), " (repeated with noise)"


def repeated(n_samples: int, random_state: int = 0) -> Array:
    """The bundled ten thousand images over and over, each pixel ± up to 20 of 255: (n_samples, 784) uint8."""
    sample = load("mnist", 10_000).Y
    generator = np.random.default_rng(random_state)
    found = np.empty((n_samples, sample.shape[1]), np.uint8)
    for start in range(0, n_samples, len(sample)):
        piece = found[start : start + len(sample)]
        noise = generator.integers(-20, 21, size=piece.shape, dtype=np.int16)
        piece[:] = np.clip(sample[: len(piece)] + noise, 0, 255)
    return found
