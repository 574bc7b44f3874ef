"""What a browser session is called, and whether it is still there."""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from typing import NamedTuple

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx


class SessionName(NamedTuple):
    """The owner of a session's jobs. `connection` is Streamlit's id of the session, None outside of its server."""

    own: str
    connection: str | None

    @classmethod
    def new(cls) -> SessionName:
        """One that no other session has, for the session whose script this thread runs."""
        context = get_script_run_ctx(suppress_warning=True)
        return cls(uuid.uuid4().hex, context.session_id if context else None)


def connected(owner: Hashable) -> bool:
    """Whether the session of an owner (its name first, then what it waits with) has a browser at the other end.

    Streamlit has no event for the end of a session, but says which of them are connected, from any thread. A session
    whose tab was closed or reloaded is not from that moment on, one whose connection is lost from when the server
    notices; it is again once the browser has renewed it. Where no server runs there is nobody to lose.
    """
    name = owner[0] if isinstance(owner, tuple) and owner else None
    if not isinstance(name, SessionName) or name.connection is None:
        return True
    try:
        return bool(runtime.get_instance().is_active_session(name.connection))
    except RuntimeError:  # there is no server
        return True
