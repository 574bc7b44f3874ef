"""What is large: 70 000 tokens exactly, and a million by landmarks. Minutes, so only on request, and once each."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dr_transformer.bench.bench import Case
from dr_transformer.bench.cases import by_landmarks, from_pixels, precisions, relative
from dr_transformer.bench.peaks import Side
from dr_transformer.config import Config
from dr_transformer.data.dataset import load
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import accelerator
from dr_transformer.types import Array

WHOLE = 70_000
GROWTH = (10_000, 100_000, 1_000_000)
N_LANDMARKS = 1000


def large_cases(whole: int = WHOLE, growth: Sequence[int] = GROWTH, n_landmarks: int = N_LANDMARKS) -> Iterator[Case]:
    """The exact run of `whole` tokens in both precisions, also on a GPU if there is one; `growth` by landmarks."""
    Y, source = whole_mnist(whole)
    config = Config(device="cpu", precision="float32")
    name = f"{config.n_blocks} blocks, n = {whole}{source}"
    on_cpu: list[Array] = []  # float32, kept for the GPU's error

    def errors(ours: Array, theirs: Array) -> dict[str, float]:
        on_cpu[:] = [theirs.astype(np.float64)]
        return {"relative error": relative(ours, on_cpu[0])}

    def kept(ours: Array, _: Array | None) -> dict[str, float]:
        on_cpu[:] = [ours.astype(np.float64)]
        return {}

    gpu, exact = accelerator(), Side.of(functools.partial(from_pixels, config=config), Y)
    if "bfloat16" in precisions("cpu"):
        rough = Side.of(functools.partial(from_pixels, config=replace(config, precision="bfloat16")), Y)
        yield Case(f"{name}, bfloat16", rough, "ours, float32", exact, errors, repeats=1, warm=False)
    else:
        yield Case(f"{name}, float32", exact, errors=kept, repeats=1, warm=False)
    for precision in () if gpu is None else precisions(gpu):
        work = functools.partial(from_pixels, config=Config(device=gpu or "cpu", precision=precision))
        yield Case(
            f"{name}, {precision}, GPU",
            Side.of(work, Y, gpu=True, measured=gpu == "cuda"),
            errors=lambda ours, _: {"relative error, from the CPU's float32": relative(ours, on_cpu[0])},
            repeats=3,
        )
    yield from _growth(growth, n_landmarks, config)


def _growth(sizes: Sequence[int], n_landmarks: int, config: Config) -> Iterator[Case]:
    times: dict[int, float] = {}

    def exponent(n: int, seconds: float) -> dict[str, float]:
        times[n] = seconds
        if len(times) < 2:
            return {}
        x, y = np.log(sorted(times.items())).T
        return {
            "exponent of growth": float(np.polyfit(x, y, 1)[0]),
            "of the last step": float((y[-1] - y[-2]) / (x[-1] - x[-2])),
        }

    for n in sizes:
        yield Case(
            f"{n_landmarks} landmarks, n = {n} (repeated with noise)",
            Side(
                functools.partial(by_landmarks, n_landmarks=n_landmarks, config=config),
                functools.partial(repeated, n),
                few=2 * n_landmarks,
            ),
            of_seconds=functools.partial(exponent, n),
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
