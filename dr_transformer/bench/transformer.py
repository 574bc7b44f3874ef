"""The transformer's cases of the bench: eight blocks from the same first latents, ours and torch's own layer."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
from scipy.spatial import procrustes

from dr_transformer.bench.bench import Case
from dr_transformer.bench.peaks import Side
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.hardware.devices import accelerator
from dr_transformer.hardware.products import multiplies_bfloat16, without_bfloat16
from dr_transformer.model import reference
from dr_transformer.model.landmarks import Landmarks, choose_landmarks
from dr_transformer.model.projection import fit_projection
from dr_transformer.model.unroll import resolve_device, run_block, unroll
from dr_transformer.quality.metrics import knn_accuracy
from dr_transformer.types import Array

LANDMARKS_SHARE = 5  # one landmark for so many tokens


def transformer_cases(data: Dataset) -> Iterator[Case]:
    """Exact runs in both precisions and, where there is one, on a GPU; and landmarks against an exact run."""
    assert data.labels is not None
    labels = data.labels
    plain = Config(device="cpu", precision="float32")
    name = f"{plain.n_blocks} blocks, n = {data.n_samples}"
    first = first_latents(data.Y, plain)
    theirs = Side.of(functools.partial(plain_transformer, config=plain), first)
    exact: list[Array] = []  # float64, computed once: it takes as long as all the rest

    def errors(ours: Array, theirs: Array) -> dict[str, float]:
        if not exact:
            config = Config(device="cpu", precision="float64")
            exact.append(blocks(first_latents(data.Y, config), config=config))
        found = {"relative error": relative(ours, exact[0]), "theirs": relative(theirs, exact[0])}
        found["largest coordinate's"] = float(np.abs(ours - exact[0]).max() / np.abs(exact[0]).max())
        return found | {"5-NN accuracy, change": knn_accuracy(ours, labels) - knn_accuracy(exact[0], labels)}

    for precision in precisions("cpu"):
        ours = Side.of(functools.partial(blocks, config=Config(device="cpu", precision=precision)), first)
        yield Case(f"{name}, {precision}", ours, "torch's encoder layer, float32", theirs, errors)
    if (gpu := accelerator()) is not None:
        for precision in precisions(gpu):
            work = functools.partial(blocks, config=Config(device=gpu, precision=precision))
            ours = Side.of(work, first, gpu=True, measured=gpu == "cuda")
            yield Case(f"{name}, {precision}, GPU", ours, "torch's encoder layer, float32, CPU", theirs, errors)

    def deviation(ours: Array, theirs: Array) -> dict[str, float]:
        distance = float(procrustes(theirs, ours)[2]) ** 0.5
        return {
            "Procrustes distance": distance,
            "5-NN accuracy, change": knn_accuracy(ours, labels) - knn_accuracy(theirs, labels),
        }

    yield Case(
        f"{name}, {data.n_samples // LANDMARKS_SHARE} landmarks",
        Side.of(functools.partial(_by_a_share, config=plain), data.Y),
        "ours, exact, float32",
        Side.of(functools.partial(from_pixels, config=plain), data.Y),
        deviation,
    )


def precisions(device: str) -> tuple[str, ...]:
    """The precisions of products that are measured on a device: bfloat16 only where its processor has it."""
    return ("float32", "bfloat16") if multiplies_bfloat16(torch.device(device)) else ("float32",)


def left_out() -> str | None:
    """Say in a sentence which rows are not measured here, and why; None if all are."""
    why = without_bfloat16(torch.device("cpu"))
    return None if why is None else f"The rows of bfloat16 are left out: {why[0].lower()}{why[1:]}"


def relative(found: Array, truth: Array) -> float:
    """Error of all latents together: ‖found − truth‖ / ‖truth‖, Frobenius norms."""
    return float(np.linalg.norm(found.astype(np.float64) - truth) / np.linalg.norm(truth))


def first_latents(Y: Array, config: Config) -> Array:
    """The latents (n, q) of block 0."""
    found: Array = next(step.X for step in unroll(Y, config) if step.name == "layer_norm_0").cpu().numpy()
    return found


def blocks(first: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, from those of block 0; on a GPU the way there and back included."""
    X = torch.from_numpy(first).to(resolve_device(config, first.dtype))
    masked = torch.arange(len(X), device=X.device) if config.mask_self else None
    for _ in range(config.n_blocks):
        *_, (_, X) = run_block(X, X, config, masked)
    found: Array = X.cpu().numpy()
    return found


def from_pixels(Y: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, the projection included."""
    return blocks(first_latents(Y, config), config)


def by_landmarks(Y: Array, n_landmarks: int, config: Config) -> Array:
    """The latents (n, q) after all blocks by landmarks of the default choice, from the pixels on."""
    projection = fit_projection(Y, config)
    index = choose_landmarks(Y, n_landmarks, projection, random_state=config.random_state)
    return Landmarks.of(Y, index, config, projection).embed(Y)


def _by_a_share(Y: Array, config: Config) -> Array:
    return by_landmarks(Y, len(Y) // LANDMARKS_SHARE, config)


def plain_transformer(first: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, by torch's own layer with a dense n × n mask, in the dtype of `first`."""
    X = torch.from_numpy(first)[None]
    n = len(first)
    layer, mask = reference.layer(config, n, X.dtype), reference.mask(config, n, X.dtype)
    with torch.no_grad():
        for _ in range(config.n_blocks):
            X = layer(X, src_mask=mask)
    found: Array = X[0].numpy()
    return found
