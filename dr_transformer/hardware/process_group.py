"""How the processes of a run meet, and what is raised when one of them is lost: `torch.distributed` underneath."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta

import torch.distributed as dist

from dr_transformer.hardware.devices import accelerator

_BLOCKING_WAIT = "TORCH_NCCL_BLOCKING_WAIT"


class LostRankError(RuntimeError):
    """The other processes cannot be reached any more. The message is one sentence."""


def meet(timeout: float) -> None:
    """Join the process group of the environment; `timeout` seconds, now and for every collective of it."""
    backend = "cpu:gloo,cuda:nccl" if accelerator() == "cuda" and dist.is_nccl_available() else "gloo"
    try:
        with _blocking_wait():
            dist.init_process_group(backend, timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        raise LostRankError(f"could not meet the others within {timeout:g} s ({_brief(error)})") from error


@contextlib.contextmanager
def _blocking_wait() -> Iterator[None]:
    """A group that is made meanwhile raises what goes wrong in NCCL, from `wait`, after its timeout at the latest.

    By itself torch.distributed watches NCCL from another thread, which ends the process without our sentence. There is
    no argument for it: a group reads TORCH_NCCL_BLOCKING_WAIT as it is made (`init_process_group`, on its timeout), so
    that the variable is set for no longer than that.
    """
    if _BLOCKING_WAIT in os.environ:  # the user's own choice
        yield
        return
    os.environ[_BLOCKING_WAIT] = "1"
    try:
        yield
    finally:
        del os.environ[_BLOCKING_WAIT]


def wait(work: dist.Work | None) -> None:
    """Wait for a collective that was started with `async_op=True`.

    Without it NCCL's collectives return before a GPU has done them, and no one would wait, blocking or not.
    """
    if work is not None:
        work.wait()


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """Return what a collective raises is a `LostRankError`."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(f"lost another, which has died or does not answer ({_brief(error)})") from error


def _brief(error: Exception) -> str:
    """The first sentence, without the source file and line that gloo begins with."""
    return re.split(r"\.(?:\s|$)", re.sub(r"^\[.*?\] *", "", str(error).strip()))[0][:200]
