"""What this machine can compute on, for the tests that try every device, and machines with other accelerators."""

from __future__ import annotations

import pytest

from dr_transformer.hardware import devices

DEVICES = ["cpu", *filter(None, [devices.accelerator()])]
WITH_FLOAT64 = [device for device in DEVICES if devices.has_float64(device)]


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    """The accelerator that torch finds is one of this kind, or none."""
    monkeypatch.setattr(devices, "_found", lambda: kind)
