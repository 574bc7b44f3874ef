"""Tells what a run in the app takes of this machine, by arithmetic (`model/cost.py`), or refuses it."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.data.mnist import count
from dr_transformer.errors import InputError
from dr_transformer.model.cost import cost, scaled
from dr_transformer.model.unroll import SUB_STEPS, latents_dtype, resolve_device, resolve_precision

# Of the free memory, for one run. The rest is for what follows it (curves, graphs, pictures) and other sessions, and
# the prediction is right to a factor of two only.
SHARE = 0.5
# Pairs of tokens that a core takes through a block of q = 128 in a second: measured for 70 000 tokens on two cores (AMD
# EPYC, AVX-512: 49.4 s and 26.7 s for eight blocks); float64 is taken for half of float32.
PAIRS_A_SECOND = {"float64": 2.0e8, "float32": 4.0e8, "bfloat16": 7.3e8}
_MAX_POINTS = 8_000_000  # of all frames together, 4 bytes each in the browser
_MAX_BYTES = 2**29  # of what the attention of all blocks left, which is kept for the sub-steps
_OF_PRODUCTS = 0.5  # of that time, taken to grow with q; the rest is the exponentials' of each head

_CGROUPS = (  # Linux: a container's limit, its use of memory, and what of that is files that can be read again
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),  # version 1
)
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def shows_sub_steps(n_samples: int, n_blocks: int, n_components: int = 2, bytes_each: int = 4) -> bool:
    """Tell whether the sub-steps inside the blocks are kept and drawn.

    Not of a run so large that a browser would choke on the points, or this machine on the latents (n, q), `bytes_each`
    a number, that are kept of each block for them.
    """
    points = n_samples * n_blocks * len(SUB_STEPS)
    return points <= _MAX_POINTS and n_samples * n_components * n_blocks * bytes_each <= _MAX_BYTES


class Expected(NamedTuple):
    """Seconds that a run is expected to take on so many threads; None on a GPU, of which none are known."""

    seconds: float | None
    threads: int


def check_memory(n_samples: int, config: Config, data_dtype: npt.DTypeLike, free: int | None = None) -> None:
    """Raise `InputError` if a `Run` would hold more than `SHARE` of the memory that is `free` (None: asked for).

    Where the system does not tell, nothing is refused.
    """
    free = free_memory() if free is None else free
    needed = memory_needed(n_samples, config, data_dtype)
    if free is None or needed <= SHARE * free:
        return
    enough = _most_tokens(n_samples, config, np.dtype(data_dtype), int(SHARE * free))
    fewer = f"choose at most {count(enough)} tokens n" if enough > 1 else "choose fewer tokens n, or dimensions q"
    raise InputError(
        f"{count(n_samples)} tokens would hold about {scaled(needed, 'B')} of memory, more than half of the "
        f"{scaled(free, 'B')} that this machine has free; {fewer}, or use dr-transformer embed with --landmarks in the "
        "terminal."
    )


def memory_needed(n_samples: int, config: Config, data_dtype: npt.DTypeLike) -> int:
    """Bytes of main memory that a `Run` holds at its peak, beside the data: the blocks it keeps, and `cost`'s.

    On a GPU the latter are the GPU's, which says by itself when it has too little.
    """
    return _held(n_samples, config, np.dtype(data_dtype), _with_sub_steps(n_samples, config, np.dtype(data_dtype)))


def free_memory() -> int | None:
    """Bytes that this machine, or the container that this process is in, has left; None where it does not tell."""
    found = list(_free())
    return min(found) if found else None


def expected_seconds(n_samples: int, config: Config, data_dtype: npt.DTypeLike) -> float | None:
    """Seconds of a run's blocks on this many cores, at the rates assumed; None on a GPU, of which none are."""
    if resolve_device(config, np.dtype(data_dtype)).type != "cpu":
        return None
    of = cost(n_samples, config, data_dtype)
    pairs = _OF_PRODUCTS * of.flop / (4 * 128) + (1 - _OF_PRODUCTS) * of.exponentials  # as long as so many at q = 128
    rate = PAIRS_A_SECOND[resolve_precision(config, np.dtype(data_dtype), n_samples)]
    return pairs / rate / torch.get_num_threads()


def admitted(n_samples: int, config: Config, data_dtype: npt.DTypeLike) -> Expected:
    """Return what a run is expected to take; raises `InputError` where `check_memory` does."""
    check_memory(n_samples, config, data_dtype)
    return Expected(expected_seconds(n_samples, config, data_dtype), torch.get_num_threads())


def _with_sub_steps(n_samples: int, config: Config, data_dtype: np.dtype[Any]) -> bool:
    number = latents_dtype(config, data_dtype).itemsize
    return shows_sub_steps(n_samples, config.n_blocks, config.n_components, number)


def _held(n_samples: int, config: Config, data_dtype: np.dtype[Any], sub_steps: bool) -> int:
    kept = config.n_blocks + 2 + (config.n_blocks if sub_steps else 0)  # with Y W_proj and block 0
    held = kept * n_samples * config.n_components * latents_dtype(config, data_dtype).itemsize
    if resolve_device(config, data_dtype).type == "cpu":
        held += cost(n_samples, config, data_dtype).memory_bytes
    return held


def _most_tokens(n_samples: int, config: Config, data_dtype: np.dtype[Any], limit: int) -> int:
    """So many tokens, rounded down to two digits, as `limit` bytes are enough for; 0: there are none."""
    enough = n_samples
    for sub_steps in (False, True):  # which fewer tokens keep, and more do not
        tokens = range(1, enough + 1)
        enough = bisect.bisect_right(tokens, limit, key=lambda n: _held(n, config, data_dtype, sub_steps))
        if not _with_sub_steps(enough, config, data_dtype):
            break
    unit = 10 ** max(len(str(enough)) - 2, 0)
    rounded = enough // unit * unit
    return rounded if memory_needed(rounded, config, data_dtype) <= limit else enough


def _free() -> Iterator[int]:
    for limit, used, stat in _CGROUPS:
        try:
            held = int((_CGROUP / used).read_text()) - _number(_CGROUP / stat, "inactive_file")
            yield int((_CGROUP / limit).read_text()) - held
        except (OSError, KeyError, ValueError):  # no container, or "max": no limit
            continue
    try:
        yield 1024 * _number(_MEMINFO, "MemAvailable:")
    except (OSError, KeyError, ValueError):
        return


def _number(path: Path, name: str) -> int:
    return int({words[0]: words[1] for line in path.read_text().splitlines() if len(words := line.split()) > 1}[name])
