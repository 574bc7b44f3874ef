"""Which accelerator this machine has, and what it can compute: the one place that asks torch.

A GPU of NVIDIA's or AMD's is "cuda" to torch, an Apple's is "mps". The latter has no float64: what is in float64 (data
of that format, metrics, graphs, PCA) is computed on the CPU there.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from dr_transformer.errors import InputError

ACCELERATORS = {"cuda": "CUDA GPU", "mps": "Apple GPU"}  # by torch's name: for people


def accelerator() -> str | None:
    """Torch's name of the accelerator that it can compute on here: one of `ACCELERATORS`, or None.

    One of another kind is None, too: nothing here was tried on it.
    """
    kind = _found()
    return kind if kind in ACCELERATORS else None


def torch_is_loaded() -> bool:
    """Tell whether torch is there; the app's server, which draws only, answers without it what can be told without."""
    return "torch._C" in sys.modules


def _may_have_one() -> bool:
    """Tell whether this machine may have an accelerator that torch can use; False only if it surely has none."""
    if sys.platform == "linux":
        return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd"))
    return sys.platform != "darwin" or platform.machine() == "arm64"


def _found() -> str | None:
    if not (torch_is_loaded() or _may_have_one()):
        return None
    if not hasattr(torch, "accelerator"):  # before PyTorch 2.6
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return None if device is None else device.type


def missing(device: str) -> str | None:
    """Why this machine cannot compute on `device`, as a config names it: a clause; None if it can."""
    if device not in ACCELERATORS or device == accelerator():
        return None
    return f"PyTorch finds no {ACCELERATORS[device]} on this machine"


def has_float64(kind: str) -> bool:
    """Tell whether devices of this kind, by torch's name, compute in float64."""
    return kind != "mps"


def device_for(device: str, dtype: torch.dtype, *, shared: bool = False) -> torch.device:
    """Return where numbers of `dtype` are computed, if a config's device is `device`.

    "auto" is the accelerator, if there is one that can do it, else the CPU. `shared`: several processes exchange what
    they compute, as gloo does between CPUs and NCCL between CUDA GPUs. Raises `InputError` for a device that is not
    there, and for "mps" where that cannot do it.
    """
    if (why := missing(device)) is not None:
        raise InputError(f"device = {device!r}, but {why}; use 'auto' or 'cpu'.")
    kind = (accelerator() if device == "auto" else device) or "cpu"
    if kind != "mps":
        return torch.device(kind)
    if shared:
        cannot, instead = "be shared by several processes", "start one process, or set device to 'cpu'"
    elif dtype == torch.float64:
        cannot, instead = "compute in float64", "set precision to 'auto' or 'float32', or device to 'auto' or 'cpu'"
    else:
        return torch.device(kind)
    if device == "auto":
        return torch.device("cpu")
    raise InputError(f"device = {device!r}, but an Apple GPU cannot {cannot}; {instead}.")


def float64_device(device: str) -> torch.device:
    """Do as `device_for`, for what is computed in float64 whatever was asked for: the CPU in place of an Apple GPU."""
    kind = device_for(device, torch.float32).type
    return torch.device(kind if has_float64(kind) else "cpu")


def spoken(kind: str) -> str:
    """A device's kind, by torch's name, as people call it: CPU or GPU."""
    return "GPU" if kind in ACCELERATORS else "CPU"


def gpu_name(device: torch.device | None = None) -> str | None:
    """The name of a GPU, by default of this machine's accelerator; None if it is a CPU, or there is none."""
    kind = accelerator() if device is None else device.type
    return torch.cuda.get_device_name(device) if kind == "cuda" else ACCELERATORS.get(kind or "")


def out_of_memory(error: BaseException) -> bool:
    """Tell whether it says that an accelerator has too little memory. For "mps" torch has no class of its own."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "MPS backend out of memory" in str(error)


# Describe the machine that figures were measured on.


def machine() -> dict[str, Any]:
    """Return what the figures are of."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu_name(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of torch's, which the app's server does not load
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - no path of ours
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
