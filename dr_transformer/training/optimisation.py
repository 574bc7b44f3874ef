"""AdamW, its learning rate over the iterations, and the precision of a step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import device_for
from dr_transformer.training.settings import RunConfig, Settings


def learning_rate(settings: Settings, iteration: int, n_iterations: int) -> float:
    """Return the rate at an iteration from 0: a linear warm-up, then a cosine down to `min_lr`, as in nanoGPT."""
    if iteration < settings.warmup_iters:
        return settings.learning_rate * (iteration + 1) / (settings.warmup_iters + 1)
    ratio = (iteration - settings.warmup_iters) / max(1, n_iterations - settings.warmup_iters)
    return settings.min_lr + 0.5 * (1 + math.cos(math.pi * ratio)) * (settings.learning_rate - settings.min_lr)


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and embeddings alone."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    fused = all(parameter.device.type != "mps" for parameter in trained)  # there only since PyTorch 2.5
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, betas=betas, fused=fused)


def resolve_precision(run: RunConfig, device: torch.device) -> str:
    """The precision that `run.precision` means on a device."""
    if run.precision == "auto":
        return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return "float32" if device.type == "mps" and run.precision == "bfloat16" else run.precision


def resolve_device(run: RunConfig, *, shared: bool = False) -> torch.device:
    """The device that `run.device` means on this machine, as `devices.device_for` says it, with a GPU's number."""
    dtype = torch.float64 if run.precision == "float64" else torch.float32
    device = device_for(run.device, dtype, shared=shared)
    return torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" else device


def resolve_compile(run: RunConfig, device: torch.device) -> bool:
    """Tell whether to use torch.compile."""
    return run.compile == "yes" or (run.compile == "auto" and device.type == "cuda")


@contextlib.contextmanager
def compiling(compiled: bool) -> Iterator[None]:
    """Around what torch.compile may have to compile first. Raises `InputError` where this machine cannot."""
    if not compiled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # it takes a second to import, and most runs need none of it
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    try:
        yield
    except (TorchDynamoException, CppCompileError, InvalidCxxCompiler) as error:
        if isinstance(getattr(error, "inner_exception", error), InvalidCxxCompiler):
            why = "torch.compile needs a C++ compiler, such as g++, and finds none that works; install one, or"
        else:
            why = f"torch.compile cannot compile the model on this machine ({_first_line(error)});"
        raise InputError(f"{why} choose compile = 'no'.") from error


def _first_line(error: Exception) -> str:
    line = str(getattr(error, "inner_exception", error)).strip().partition("\n")[0].rstrip(".: ")
    return line[:160] or type(error).__name__


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The context of a forward pass."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def dropout_masks(settings: Settings, device: torch.device, seed: int) -> Iterator[None]:
    """Dropout inside is drawn from `seed`; torch's own random state is afterwards what it was before."""
    if settings.dropout == 0:
        yield
        return
    if device.type == "mps":
        before = torch.mps.get_rng_state()
        torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            torch.mps.set_rng_state(before)
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)
        yield
