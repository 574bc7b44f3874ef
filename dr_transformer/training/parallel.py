"""A run by several processes: each computes some of an iteration's micro-batches; the gradients are averaged over all.

The global batch is that of one process alone, so the curve is the same up to the order of sums. torch's
DistributedDataParallel carries the gradients, by gloo between CPUs and NCCL between GPUs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import out_of_memory
from dr_transformer.hardware.process_group import wait
from dr_transformer.training.settings import Settings

if TYPE_CHECKING:  # a process that is alone starts sooner without it
    from dr_transformer.model.distributed import Ranks

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Those of a run; this one is number `rank` of `size`, from 0. `ranks` is None where it is the only one."""

    ranks: Ranks | None = None

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self.ranks.rank if self.ranks else 0

    @property
    def size(self) -> int:
        """Return how many there are."""
        return self.ranks.size if self.ranks else 1

    def check(self, settings: Settings) -> None:
        """Raise `InputError` unless the micro-batches can be shared equally."""
        if settings.gradient_accumulation_steps % self.size:
            raise InputError(
                f"{self.size} processes cannot share the {settings.gradient_accumulation_steps} micro-batches equally; "
                f"choose a multiple of {self.size} as gradient_accumulation_steps, and batch_size to suit."
            )

    def check_equal(self, what: str, value: object) -> None:
        """Raise `InputError` on all unless `value` is the same on each."""
        if self.ranks:
            self.ranks.check_equal(what, value)

    def agreed(self) -> contextlib.AbstractContextManager[None]:
        """Return all do this, or none goes on, as `Ranks.agreed`."""
        return self.ranks.agreed() if self.ranks else contextlib.nullcontext()

    def share(self, make: Callable[[], T]) -> T:
        """Return what `make` returns in the first process, in all."""
        return self.ranks.share(make) if self.ranks else make()

    def own_micro_batches(self, settings: Settings) -> range:
        """The numbers of those this process computes."""
        return range(self.rank, settings.gradient_accumulation_steps, self.size)

    def wrap(self, model: Any, device: torch.device) -> Any:
        """The model whose gradients are averaged over the processes."""
        if not self.ranks:
            return model
        with _reached():
            return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)

    @contextlib.contextmanager
    def gradients(self, model: Any, *, together: bool) -> Iterator[None]:
        """Around forward and backward: the gradients are averaged over the processes only if `together`."""
        if not self.ranks:
            yield
            return
        with _reached(), contextlib.nullcontext() if together else model.no_sync():
            yield

    def any(self, flag: bool) -> bool:
        """Tell whether it is true on any."""
        return bool(self.sum(torch.tensor([int(flag)]))) if self.ranks else flag

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, on each."""
        return self.sum(value.clone()) / self.size if self.ranks else value

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes, on each."""
        if self.ranks:
            with _reached():
                wait(dist.all_reduce(values, async_op=True))
        return values


ALONE = Processes()


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        from dr_transformer.model.distributed import LostRankError

        raise LostRankError(f"lost another, which has died or does not answer ({str(error).strip()[:200]})") from error
