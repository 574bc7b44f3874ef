"""Put Streamlit's server (1.67) right: what it draws for a page that was left, throws away, and sends again.

**What a page asks for after it was left is dropped.** While another page begins, its fragments are still on the screen,
and ask. Streamlit queues such a request behind the run of the new page and then answers it: with a run for the page
that was left, of a fragment that is gone by then. The browser clears the screen for it, nothing is drawn, and it stays
blank. If the new page has not begun yet, the two are even folded into one run of the page that was left, and the click
on the link is lost.

**What a run has drawn is sent, although a fragment is drawn again.** When a fragment's run begins, Streamlit throws
away what waits to be sent of that fragment, its container included, also where a run of the whole page drew it. The end
of that run is sent all the same, and at it the browser removes what the run did not bring: the fragment. What follows
moves up, the fragment takes the place of the next one, or is beyond the last: the browser's whole page is gone. It
happens where the server sends late, on a busy machine. Here a fragment's run throws nothing away.

**What has not changed is named by its hash instead of sent again, but only while the browser surely has it.** A browser
keeps messages of the last runs, and says with each request which ones. Streamlit goes by that list, though the browser
may drop a message after it has asked, when the run before its request ends: it then gets the name of what it no longer
has ("Cached ForwardMsg MISS"), and what was to be drawn never appears. Here the server follows what the browser keeps:
by the browser's own rule, from the messages that it is sent, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_cache import create_reference_msg
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx, script_runner
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)
from streamlit.runtime.session_manager import ActiveSessionInfo, SessionClient


class PageRequests(ScriptRequests):
    """Take what is asked of one thread that runs scripts. Fragments are run for its page only, and while they exist."""

    _page = ""  # of the last run that was asked for; "" for the first one, which goes by the address

    def _request_rerun_locked(self, new_data: RerunData) -> bool:
        new_data = replace(new_data, cached_message_hashes=frozenset())  # `KeptMessages` knows better
        for_fragments = new_data.fragment_id or new_data.fragment_id_queue or new_data.is_fragment_scoped_rerun
        if not for_fragments or not self._page:
            self._page = new_data.page_script_hash
        elif new_data.page_script_hash != self._page:
            return True  # taken, and forgotten
        return super()._request_rerun_locked(new_data)

    def on_scriptrunner_ready(self) -> ScriptRequest:
        """Return what to run next, as Streamlit does, but no fragments that a run has removed meanwhile."""
        while True:
            request = super().on_scriptrunner_ready()
            context = get_script_run_ctx(suppress_warning=True)
            if request.type != ScriptRequestType.RERUN or context is None or not request.rerun_data.fragment_id_queue:
                return request
            there = [name for name in request.rerun_data.fragment_id_queue if context.fragment_storage.contains(name)]
            if there:
                return ScriptRequest(request.type, replace(request.rerun_data, fragment_id_queue=there))


_create_scriptrunner = AppSession._create_scriptrunner


def _create_once_heard(session: AppSession, rerun_data: RerunData) -> None:
    """Start a thread for a fragment only after all that the one before has sent was passed on to the browser.

    One that has just ended may have sent more than was handled so far, and Streamlit ignores what comes from any thread
    but its newest: the end of a page would never be drawn.
    """

    def create_or_ask() -> None:
        runner = session._scriptrunner
        if runner is None or not runner.request_rerun(rerun_data):
            _create_scriptrunner(session, rerun_data)

    if session._scriptrunner is None or not rerun_data.fragment_id:
        _create_scriptrunner(session, rerun_data)
    else:
        session._call_soon_on_event_loop(create_or_ask)  # what was sent is there before it


_clear_queue = AppSession._clear_queue


def _clear_for_pages_only(session: AppSession, fragment_ids_this_run: list[str] | None = None) -> None:
    """Throw away what waits to be sent, if a run of the whole page begins, which draws all of it again."""
    if fragment_ids_this_run is None:
        _clear_queue(session)
    else:
        session._browser_queue._delta_index_map = {}  # what comes now does not take a place before the run's beginning


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


def mend_streamlit() -> None:
    """Have Streamlit's server take requests as `PageRequests` does, send what was drawn, shorten it by `KeptMessages`.

    The first holds from the next thread on that runs scripts.
    """
    script_runner.ScriptRequests = PageRequests  # type: ignore[attr-defined]
    AppSession._create_scriptrunner = _create_once_heard  # type: ignore[method-assign,assignment]
    AppSession._clear_queue = _clear_for_pages_only  # type: ignore[method-assign,assignment]
    Runtime._send_message = _send_shortened  # type: ignore[method-assign,assignment]
