"""What a page asks for after it was left is dropped.

While another page begins, its fragments are still on the screen, and ask. Streamlit (1.67) queues such a request behind
the run of the new page and then answers it: with a run for the page that was left, of a fragment that is gone by then.
The browser clears the screen for it, nothing is drawn, and it stays blank. If the new page has not begun yet, the two
are even folded into one run of the page that was left, and the click on the link is lost.
"""

from __future__ import annotations

from dataclasses import replace

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx, script_runner
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)


class PageRequests(ScriptRequests):
    """What is asked of one thread that runs scripts. Fragments are run for its page only, and while they exist."""

    _page = ""  # of the last run that was asked for; "" for the first one, which goes by the address

    def _request_rerun_locked(self, new_data: RerunData) -> bool:
        new_data = replace(new_data, cached_message_hashes=frozenset())  # `kept_messages` knows better
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


def drop_requests_of_left_pages() -> None:
    """Have Streamlit take requests as `PageRequests` does, from the next thread on that runs scripts."""
    script_runner.ScriptRequests = PageRequests  # type: ignore[attr-defined]
    AppSession._create_scriptrunner = _create_once_heard  # type: ignore[method-assign,assignment]
