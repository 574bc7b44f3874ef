"""A script with work that never ends, and a count of what of it is under way, for the browser tests."""

import streamlit as st

from dr_transformer.ui import session
from dr_transformer.ui.poll import poll
from tests.helpers.remote_jobs import Endless


@st.cache_resource
def begun() -> dict[str, Endless]:
    """The work of all sessions, by name."""
    return {}


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
