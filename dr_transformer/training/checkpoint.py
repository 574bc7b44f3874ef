"""A run under way, on disk: whole or not at all, and the one before is kept until the next is whole."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from dr_transformer.data.user_files import brief
from dr_transformer.errors import InputError
from dr_transformer.paths import in_place_of

_FORMAT = 1


class SaveError(InputError):
    """A checkpoint could not be saved; the one before is as it was."""


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values): it is at `path` whole, or what was there before is."""
    try:
        with in_place_of(path) as partial, partial.open("wb") as file:
            torch.save({"format": _FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch's writer of archives turns a full disk into a RuntimeError
        kept = "the one before is kept" if path.exists() else "there is none before it"
        raise SaveError(
            f"the checkpoint {path.name} cannot be saved ({_reason(error)}); {kept}; make room on the disk."
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What was saved, or None if there is nothing. Raises `InputError` for a file that cannot be read."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise InputError(f"the checkpoint {path} is of another version; delete it to begin this run anew.")
    except InputError:
        raise
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"the checkpoint {path} cannot be read ({brief(error)}); delete it to begin this run anew."
        ) from error
    return content


def _reason(error: BaseException) -> str:
    """That of the disk, whatever torch made of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return brief(error)


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
