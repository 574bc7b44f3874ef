"""One run by several processes, on one machine or many: each owns a slice of the tokens.

Once per block all processes (ranks) gather the latents X (n, q), and each computes its own rows of A X: attention, the
only step where tokens meet. Started by `torchrun`, or by anything else that sets RANK, WORLD_SIZE, MASTER_ADDR and
MASTER_PORT. torch.distributed carries the latents, by gloo between CPUs and by NCCL between GPUs.

What goes wrong ends the run on all ranks. Bad input anywhere becomes one `InputError` everywhere (`Ranks.agreed`). A
rank that dies closes its connections, and one that hangs is given up after a timeout: the others get a `LostRankError`.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import device_for
from dr_transformer.hardware.process_group import LostRankError, meet, reached, wait
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.projection import fit_projection
from dr_transformer.model.unroll import Step, check_tokens, layer_norm, resolve_device, resolve_dtype, run_block

__all__ = ["LostRankError", "Ranks", "joined", "one_of_many", "unroll_ranks"]

_TO_LEAVE = 60.0  # seconds to wait for each other at the end, and to meet after an error in the flags

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """Number `rank` (from 0), which is this process, of the `size` that run together."""

    rank: int
    size: int

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """Return all ranks do this, or none goes on: the `InputError` of one is raised on all, at the end of
        the block.
        """
        sentence = None
        try:
            yield
        except InputError as error:
            sentence = str(error)
        sentences = self._exchange(sentence)
        for rank, said in enumerate(sentences):
            if said is not None:
                raise InputError(said if sentences[0] is not None else f"rank {rank} of {self.size} says: {said}")

    def share(self, make: Callable[[], T]) -> T:
        """Return what `make` returns on rank 0, on all ranks; so that rounding on unlike machines makes no
        difference.
        """
        made: list[Any] = [None]
        with self.agreed():
            made = [make() if self.rank == 0 else None]
        with reached():
            dist.broadcast_object_list(made, src=0)
        return made[0]

    def check_equal(self, what: str, value: object) -> None:
        """Raise `InputError` on all ranks unless `value` is the same on each."""
        values = self._exchange(value)
        unlike = [rank for rank in range(self.size) if values[rank] != values[0]]
        if unlike:
            raise InputError(f"{what} of rank {unlike[0]} of {self.size} is not that of rank 0; give all the same.")

    def rows(self, n_samples: int) -> slice:
        """The tokens this rank owns: ⌈n / size⌉ of them, and the last rank what is left."""
        each = math.ceil(n_samples / self.size)
        if each * (self.size - 1) >= n_samples:
            raise InputError(
                f"{n_samples} tokens are too few for {self.size} processes; use at most {math.ceil(n_samples / each)}."
            )
        return slice(self.rank * each, min((self.rank + 1) * each, n_samples))

    def gather(self, own: Tensor, n_samples: int) -> Tensor:
        """The rows (k, q) of all ranks, on each: (n_samples, q)."""
        padded, whole = self._padded(own, n_samples), self._space(own, n_samples)
        with reached():
            wait(dist.all_gather(list(whole.chunk(self.size)), padded, async_op=True))
        return whole[:n_samples]

    def collect(self, own: Tensor, n_samples: int) -> Tensor | None:
        """The rows (k, q) of all ranks, on rank 0: (n_samples, q); None on the others."""
        padded = self._padded(own, n_samples)
        whole = self._space(own, n_samples) if self.rank == 0 else None
        with reached():
            wait(dist.gather(padded, None if whole is None else list(whole.chunk(self.size)), async_op=True))
        return None if whole is None else whole[:n_samples]

    def _space(self, own: Tensor, n_samples: int) -> Tensor:
        return own.new_empty((self.size * math.ceil(n_samples / self.size), own.shape[1]))

    def _padded(self, own: Tensor, n_samples: int) -> Tensor:
        # gloo gathers slices of equal length only. The last alone is shorter, so the rows stay in order.
        missing = math.ceil(n_samples / self.size) - len(own)
        return functional.pad(own, (0, 0, 0, missing)) if missing else own.contiguous()

    def _exchange(self, value: T) -> list[T]:
        values: list[Any] = [None] * self.size
        with reached():
            dist.all_gather_object(values, value)
        return values


@contextlib.contextmanager
def joined(config: Config, timeout: float) -> Iterator[Ranks]:
    """Meet the other processes, and take this one's GPU, if `config` says GPU.

    `timeout` is how many seconds a rank waits for another, now and later, before it raises `LostRankError`.
    """
    meet(timeout)
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    with contextlib.ExitStack() as stack:
        with ranks.agreed():
            if device_for(config.device, torch.float32, shared=True).type == "cuda":
                local, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
                if local >= n_gpus:
                    raise InputError(
                        f"this machine has {n_gpus} GPU(s), one for each process, but more processes were started; "
                        f"use --nproc-per-node {n_gpus}, or device = 'cpu'."
                    )
                stack.enter_context(torch.cuda.device(local))
        yield ranks


def unroll_ranks(ranks: Ranks, Y: npt.NDArray[np.generic], config: Config) -> Iterator[Step]:
    """Do as `unroll`, by all ranks together: each has all of Y (n, d), and gets all of X (n, q) at the end of
    each block.

    The steps inside a block are not yielded. A rank computes its own rows of the first latents and of every step.
    """
    with ranks.agreed():
        Y = check_tokens(Y)
        rows = ranks.rows(len(Y))
    projection = ranks.share(lambda: fit_projection(Y, config))
    with ranks.agreed():
        device = resolve_device(config, Y.dtype, shared=True)
        own = torch.from_numpy(projection(Y[rows])).to(resolve_dtype(config, Y.dtype)).to(device)
        own = layer_norm(moderate(own), len(Y))
    X = ranks.gather(own, len(Y))
    yield Step(0, "layer_norm_0", X)
    masked = torch.arange(rows.start, rows.stop, device=X.device) if config.mask_self else None
    for block in range(1, config.n_blocks + 1):
        *_, (name, own) = run_block(X[rows], X, config, masked)
        X = ranks.gather(own, len(Y))
        yield Step(block, name, X)


def one_of_many(run: Callable[[], int], *, ends: bool) -> int:
    """Run a command as one of several processes; returns its exit status, or ends the process with it if `ends`.

    Rank 0 alone speaks; only when a rank has lost the others it says so itself. After an error that all share, the
    others wait until rank 0 has said it, lest a launcher stop it first.
    """
    here = f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']}"
    try:
        with _stoppable(), contextlib.nullcontext() if os.environ["RANK"] == "0" else _silence():
            try:
                status = run()
            except SystemExit as end:  # argparse has spoken
                status = end.code if isinstance(end.code, int) else 0
    except LostRankError as error:
        print(f"dr-transformer: {here} {error}; the run has ended and nothing was written.", file=sys.stderr)  # noqa: T201
        status = 1
    try:
        if status in (0, 2):
            _leave()
            if not ends:
                return status
    except LostRankError:
        pass
    # Threads that still wait for others would abort an ordinary exit. One that has left them was seen to, too: one run
    # in thirteen, with all done and written ("terminate called without an active exception", torch 2.14, gloo).
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _leave() -> None:
    if not dist.is_initialized():
        meet(_TO_LEAVE)
    Ranks(dist.get_rank(), dist.get_world_size())._exchange(None)
    dist.destroy_process_group()


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM, by which torchrun stops the ranks that are left when one has died, raises `LostRankError`."""

    def stop(*_: object) -> None:
        raise LostRankError("was told to stop, as when another has died")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
