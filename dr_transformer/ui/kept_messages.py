"""What has not changed is named by its hash instead of sent again, but only while the browser surely has it.

A browser keeps messages of the last runs, and says with each request which ones. Streamlit (1.67) goes by that list,
though the browser may drop a message after it has asked, when the run before its request ends: it then gets the name of
what it no longer has ("Cached ForwardMsg MISS"), and what was to be drawn never appears. Here the server follows what
the browser keeps: by the browser's own rule, from the messages that it is sent, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_cache import create_reference_msg
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.session_manager import ActiveSessionInfo, SessionClient


class _Kept(NamedTuple):
    used: int  # in which run for the last time
    fragment: str


class KeptMessages:
    """Follow what one connection's browser keeps."""

    def __init__(self, max_age: int) -> None:
        self._max_age = max_age
        self._kept: dict[str, _Kept] = {}
        self._run = 0

    def shortened(self, message: ForwardMsg) -> ForwardMsg:
        """Return what to send for `message`: its name if the browser has it, else the message itself."""
        if message.WhichOneof("type") == "script_finished":
            self._forget_old(message.metadata.run.fragment_ids)
        elif message.metadata.cacheable and message.hash:
            kept = self._kept.get(message.hash)
            self._kept[message.hash] = _Kept(self._run, kept.fragment if kept else message.delta.fragment_id)
            return create_reference_msg(message) if kept else message
        return message

    def _forget_old(self, fragments: Sequence[str]) -> None:
        """Drop what the browser may drop at the end of a run; that of fragments drops only what is theirs."""
        self._run += 1
        self._kept = {
            name: kept
            for name, kept in self._kept.items()
            if self._run - kept.used <= self._max_age or (fragments and kept.fragment not in fragments)
        }


_send_message = Runtime._send_message
_of_clients: WeakKeyDictionary[SessionClient, KeptMessages] = WeakKeyDictionary()


def _send_shortened(runtime: Runtime, session: ActiveSessionInfo, message: ForwardMsg) -> None:
    """Send a message as short as its browser understands; a new connection starts with nothing."""
    kept = _of_clients.get(session.client)
    if kept is None:
        kept = _of_clients[session.client] = KeptMessages(int(config.get_option("global.maxCachedMessageAge")))
    _send_message(runtime, session, kept.shortened(message))


def follow_kept_messages() -> None:
    """Have Streamlit's server shorten what it sends by `KeptMessages`. `left_pages` makes it ignore browsers' lists."""
    Runtime._send_message = _send_shortened  # type: ignore[method-assign,assignment]
