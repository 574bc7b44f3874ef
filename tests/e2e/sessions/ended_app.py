"""A script with work that never ends, and a count of what of it is under way, for the browser tests."""

import itertools
import time

import streamlit as st

from dr_transformer.engine.jobs import Background
from dr_transformer.ui import session
from dr_transformer.ui.poll import poll


@st.cache_resource
def begun() -> dict[str, "Endless"]:
    """The work of all sessions, by name."""
    return {}


class Endless(Background):
    """Counts how often it was begun."""

    times = 0

    def _work(self) -> None:
        self.times += 1
        for _ in itertools.count():
            self._check()
            time.sleep(0.02)


@st.fragment
def watching() -> None:
    poll(True, seconds=0.2)
    for name, job in sorted(begun().items()):
        st.text(f"{name}: {'works' if job.working else 'rests'}, begun {job.times}, owners {len(job.owners)}")


if name := st.query_params.get("work"):
    begun()[name] = session.runner().submit(("endless", name), Endless, (session.session_name(), "endless"))
    st.text(f"This is {name}")
else:
    watching()
