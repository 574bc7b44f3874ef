"""Two pages that poll, the second slow to begin, and a third that ends while a request is held up: for tests."""

import threading
import time

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession

from dr_transformer.ui.poll import poll
from dr_transformer.ui.streamlit_requests import mend_streamlit

LONG = "long enough to be kept by the browser " * 20
BEGINS_SECONDS = 1.0  # what a page needs that is opened for the first time: its imports


@st.cache_resource
def held_up() -> threading.Event:
    """Hold the server up at the first request of the page "held", until the thread that draws it has ended."""
    held = threading.Event()
    request_rerun = AppSession.request_rerun

    def request_held_up(session: AppSession, state: ClientState | None) -> None:
        runner = session._scriptrunner
        if state and state.fragment_id and "hold" in state.query_string and runner and not held.is_set():
            held.set()
            assert runner._script_thread is not None
            runner._script_thread.join(20)
        request_rerun(session, state)

    AppSession.request_rerun = request_held_up  # type: ignore[method-assign]
    return held


@st.fragment
def waiting(name: str) -> None:
    runs = st.session_state[name] = st.session_state.get(name, 0) + 1
    poll(True, seconds=0.1, key=name)
    st.text(f"{name}: {'again and again' if runs > 2 else 'for the first time'}")
    st.text(LONG)


def first() -> None:
    waiting("First")


def second() -> None:
    time.sleep(BEGINS_SECONDS)
    st.text("Here the second page begins")  # so that its fragments do not have the place, and the name, of the first's
    waiting("Second")
    waiting("Beside it")


def held() -> None:
    waiting("Held")
    if held_up().wait(20):
        st.text("Here the held page ends")


held_up()
mend_streamlit()
pages = [st.Page(page, title=page.__name__.capitalize()) for page in (first, second, held)]
current = st.navigation(pages)
for page in pages:
    st.page_link(page)
current.run()
