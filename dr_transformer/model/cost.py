"""What a run costs, by arithmetic: operations, bytes between processes, memory.

A block of attention is two matrix products, X Xᵀ and A X: 4 n² q flop, and n² exponentials for each head. With m
landmarks n² becomes (m + n) m. All else (LayerNorms, the feed-forward step) is O(n q) and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dr_transformer.config import Config
from dr_transformer.errors import InputError

# Fitted to measurements on CPUs, and held against them by the tests. Beside a tile of attention its products set aside
# so many bytes, and so many rows of latents for each of its rows:
_ASIDE_BYTES, _ASIDE_ROWS = 23 * 2**20, 8
_OF_ALL, _OF_OWN = 4, 5  # copies held at once: of the latents of all tokens, and of a process's own (A X, sums, …)
_CHUNK = 8192  # tokens that follow landmarks at a time
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


@dataclass(frozen=True)
class Cost:
    """Of one process, the busiest; of the whole run if it is the only one.

    `flop` are those of the matrix products of all blocks, without the softmaxes' sums (a kernel that makes use of the
    symmetry of X Xᵀ needs fewer), `exponentials` those of the softmaxes. `gathered_bytes` of latents reach this
    process, its own included. `memory_bytes`, to within a factor of two, is the most held beside the data and blocks
    that are kept.
    """

    flop: int
    exponentials: int
    gathered_bytes: int
    memory_bytes: int

    def __str__(self) -> str:
        return (
            f"{scaled(self.flop, 'flop')} in matrix products, {scaled(self.exponentials, '')} exponentials, "
            f"{scaled(self.memory_bytes, 'B')} of memory beside the data"
            + (f", {scaled(self.gathered_bytes, 'B')} gathered." if self.gathered_bytes else ".")
        )


def cost(
    n_samples: int,
    config: Config,
    data_dtype: npt.DTypeLike = np.uint8,
    *,
    landmarks: int | None = None,
    n_ranks: int = 1,
) -> Cost:
    """The cost of embedding `n_samples` tokens, exactly or with so many `landmarks`, by `n_ranks` equal processes.

    `data_dtype` is that of the tokens: precision "auto" keeps float64 in float64, as decimal numbers of a CSV are. With
    device "cuda" or "mps" the tile of attention is a GPU's, whether or not this machine has one.
    """
    from dr_transformer.model.unroll import latents_dtype

    if landmarks is not None and landmarks > n_samples:
        raise InputError(f"landmarks = {landmarks} is more than the {n_samples} tokens; choose at most {n_samples}.")
    number = latents_dtype(config, np.dtype(data_dtype)).itemsize
    row = config.n_components * number
    own = math.ceil(n_samples / n_ranks)
    gathered = own * n_ranks * row if n_ranks > 1 else 0  # each time
    if landmarks is None:
        pairs = own * n_samples
        gathers = config.n_blocks + 1
        memory = (_OF_ALL * n_samples + _OF_OWN * own) * row
    else:
        pairs = (own + landmarks) * landmarks
        gathers = 1  # of the result, by the first process
        memory = ((_OF_ALL + config.n_blocks + 1) * landmarks + own + _OF_OWN * min(own, _CHUNK)) * row + 2 * gathered
    return Cost(
        flop=4 * pairs * config.n_components * config.n_blocks,
        exponentials=pairs * config.n_heads * config.n_blocks,
        gathered_bytes=gathers * gathered,
        memory_bytes=memory + _of_a_tile(own, n_samples if landmarks is None else landmarks, config, number),
    )


def _of_a_tile(queries: int, keys: int, config: Config, number: int) -> int:
    """Bytes of a tile of attention, numbers of so many bytes, and of what its products set aside."""
    from dr_transformer.hardware.devices import accelerator, has_float64
    from dr_transformer.model.kernels import _TILE

    kind = (accelerator() if config.device == "auto" else config.device) or "cpu"
    if number == 8 and not has_float64(kind):
        kind = "cpu"
    side = _TILE.get(kind, _TILE["cpu"])
    rows = _ASIDE_ROWS * min(queries, side) * config.n_components
    return (min(queries, side) * min(keys, side) + rows) * number + _ASIDE_BYTES


def scaled(number: float, unit: str) -> str:
    """A number for people: 4.1 Tflop."""
    steps = min(int(math.log10(max(number, 1)) // 3), len(_PREFIXES) - 1)
    return f"{number / 1000**steps:.3g} {_PREFIXES[steps]}{unit}".rstrip()
