"""A session as a file: settings, selected tokens, depth and notes, as JSON. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dr_transformer.errors import InputError
from dr_transformer.export.settings import SavedSettings, from_dict, parse_json

MAX_BYTES = 16 * 2**20  # a selection of a million tokens, and notes
MAX_NOTES = 100_000  # characters
SUFFIX = ".session.json"


@dataclass(frozen=True)
class Session:
    """What a session file holds; `selection` are positions among the tokens, increasing; `depth` None is the last."""

    settings: SavedSettings = field(default_factory=SavedSettings)
    selection: tuple[int, ...] = ()
    notes: str = ""
    depth: float | None = None


def dump(
    settings: Mapping[str, Any], selection: Sequence[int] = (), notes: str = "", depth: float | None = None
) -> bytes:
    """The file. `settings` is `files.settings(…)`. Raises `InputError` for notes that are too long."""
    if len(notes) > MAX_NOTES:
        raise InputError(f"the notes have {len(notes)} characters, more than {MAX_NOTES}; shorten them.")
    chosen = sorted(int(index) for index in selection)
    session = {"selection": chosen, "notes": notes, "depth": depth}
    return json.dumps({**settings, "session": session}, ensure_ascii=False, indent=1).encode()


def load(content: bytes, name: str = "the file") -> Session:
    """The session in a file's bytes, validated. Raises `InputError`, a sentence, for whatever is not one."""
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES // 2**20} MB; session files are smaller.")
    found = parse_json(content, name, MAX_BYTES)
    settings = from_dict(found, name)
    session = found.get("session")
    if not isinstance(session, dict):
        raise InputError(f"{name} holds settings, but no session; give a session file that this app saved.")
    n_samples = settings.data.n_samples
    selection, notes, depth = session.get("selection"), session.get("notes"), session.get("depth")
    if not isinstance(selection, list) or any(type(index) is not int for index in selection):
        raise _refused(name, "its selection is no list of tokens")
    if n_samples is None or (selection and not 0 <= min(selection) <= max(selection) < n_samples):
        raise _refused(name, f"its selection names tokens that {n_samples or 'its data'} tokens do not have")
    if len(set(selection)) != len(selection):
        raise _refused(name, "its selection names a token twice")
    if not isinstance(notes, str) or len(notes) > MAX_NOTES:
        raise _refused(name, f"its notes are no text of at most {MAX_NOTES} characters")
    if depth is not None and (
        isinstance(depth, bool) or not isinstance(depth, int | float) or not 0 <= depth <= settings.config.n_blocks
    ):
        raise _refused(name, f"its depth is none of the {settings.config.n_blocks} blocks")
    return Session(settings, tuple(sorted(selection)), notes, None if depth is None else float(depth))


def _refused(name: str, reason: str) -> InputError:
    return InputError(f"{name} cannot be restored: {reason}; the file is damaged or was changed by hand.")
