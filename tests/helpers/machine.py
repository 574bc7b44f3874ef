"""What this machine can compute on, for the tests that try every device, and machines with other accelerators."""

from __future__ import annotations

import pytest
import torch

from dr_transformer.hardware import devices
from dr_transformer.hardware.products import multiplies_bfloat16

DEVICES = ["cpu", *filter(None, [devices.accelerator()])]
WITH_FLOAT64 = [device for device in DEVICES if devices.has_float64(device)]


def has_bfloat16(device: str = "cpu") -> bool:
    """Whether products are taken in bfloat16 there; else float32 takes its place, and one sentence says so."""
    return multiplies_bfloat16(torch.device(device))


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    """The accelerator that torch finds is one of this kind, or none."""
    monkeypatch.setattr(devices, "_found", lambda: kind)
