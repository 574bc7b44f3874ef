"""A stand-in for an Apple GPU, where there is none: tensors that say "mps", compute on the CPU, and have no float64.

What it refuses, torch refuses on an Apple GPU, too: float64, operations between its tensors and a CPU's, and numpy.
What it cannot show: which operations torch lacks there, and how that GPU rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from tests.helpers.machine import pretend

MPS = torch.device("mps")


class OnGPU(Tensor):
    """A tensor whose numbers are those of `held`, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGPU:
        """Raise what torch raises for float64."""
        if held.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        # To torch itself it is a CPU's: it has no driver for the other.
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, dtype=held.dtype, strides=held.stride(), storage_offset=held.storage_offset()
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute with what is held. As everywhere, a number by itself may come from the CPU, and so may an index."""
        flat, _ = tree_flatten((args, kwargs))
        given = {id(part.held): part for part in flat if isinstance(part, OnGPU)}
        others = [part for part in flat if isinstance(part, Tensor) and not isinstance(part, OnGPU) and part.dim()]
        if others and func.overloadpacket not in (torch.ops.aten.index, torch.ops.aten.index_put_):
            raise RuntimeError(f"expected all tensors of {func} to be on the same device, but found mps and cpu")

        def bare(part: Any) -> Any:
            return part.held if isinstance(part, OnGPU) else part

        def wrapped(part: Any) -> Any:
            if not isinstance(part, Tensor):
                return part
            return given[id(part)] if id(part) in given else OnGPU(part)  # in place: the same again

        return tree_map(wrapped, func(*tree_map(bare, args), **tree_map(bare, kwargs or {})))

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where it says it is."""
        return MPS

    def cpu(self) -> Tensor:  # type: ignore[override]
        """Its numbers."""
        return self.held.clone()

    def tolist(self) -> Any:
        """Its numbers."""
        return self.held.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        """Raise what torch raises."""
        raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """To another format, and then to another device."""
        return _moved(self, args, kwargs)


class _Making(TorchFunctionMode):
    """Tensors are made on the GPU, or moved there, for whoever asks for it by name."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.to:
            return _moved(args[0], args[1:], kwargs)
        if kwargs.get("device") is None:
            return func(*args, **kwargs)
        args = tree_map(lambda part: part.held if isinstance(part, OnGPU) else part, args)
        made = func(*args, **kwargs | {"device": "cpu"})
        return OnGPU(made) if torch.device(kwargs["device"]) == MPS else made


def _moved(X: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    device, dtype, held = X.device, X.dtype, X.held if isinstance(X, OnGPU) else X
    for part in (*args, kwargs.get("device"), kwargs.get("dtype")):
        if isinstance(part, Tensor):
            device, dtype = part.device, part.dtype
        elif isinstance(part, torch.dtype):
            dtype = part
        elif isinstance(part, (str, torch.device)):
            device = torch.device(part)
    if (device, dtype) == (X.device, X.dtype):
        return X
    with torch._C.DisableTorchFunction():
        held = held.to(dtype)
        return (held if held is not X else X) if device != MPS else OnGPU(held.clone())


@contextmanager
def apple_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Until the block ends, this machine has an Apple GPU."""
    with monkeypatch.context() as changed, _Making():
        pretend(changed, "mps")
        yield
