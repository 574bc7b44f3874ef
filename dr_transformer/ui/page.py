"""What every page begins with: its title in the browser, the shared style, the shared sidebar."""

from __future__ import annotations

from collections.abc import Callable, Collection

import streamlit as st

from dr_transformer.paths import asset
from dr_transformer.ui import session
from dr_transformer.ui.caps import admit_visitor
from dr_transformer.ui.live import forget_live
from dr_transformer.ui.sidebar import Settings, sidebar
from dr_transformer.ui.streamlit_requests import mend_streamlit

BEFORE_LESSON = "before_lesson"
"""In the session: the settings that a lesson replaced, for the page after it."""


TOUR = "two-minute-tour"
"""The lesson that shows what there is."""


def tour_button() -> None:
    """Draw a button that begins the tour; what is set here comes back after it."""
    if st.button("Two-minute tour", key="tour", help="Four steps: what you see, what the controls do, where it ends."):
        st.session_state.update(lesson=TOUR, lesson_step=0, presenting=False)
        st.session_state.pop("lesson_loaded", None)
        st.switch_page("pages/8_Lessons.py")


def at_the_door() -> bool:
    """Tell whether this session began on this page with a bare address. Call it before `begin_page`."""
    if "page" not in st.session_state:
        st.session_state["at_the_door"] = not st.query_params
    return bool(st.session_state.get("at_the_door"))


def begin_page(
    title: str,
    *,
    controls: bool = True,
    baselines: bool = False,
    elsewhere: Collection[str] = (),
    draw: Callable[[bool], tuple[Settings, list[str]]] | None = None,
) -> Settings:
    """Set up a page called `title` and return the sidebar's settings; a link's unusable settings are said.

    Without `controls` the sidebar has links alone. `baselines`: with widgets for what the transformer is compared with;
    without those of the parameters that stand `elsewhere` on the page. `draw` draws another sidebar than the shared
    one; it is told whether the page was entered in this run.
    """
    mend_streamlit()
    st.set_page_config(page_title=title, page_icon=asset("icon.svg"), layout="wide")
    st.html(asset("app.css"))
    admit_visitor()
    entered = st.session_state.get("page") != title
    st.session_state["page"] = title
    if entered and "last_depth" in st.session_state:  # back from another page: the canvas is new, the depth is not
        st.session_state["start_depth"] = st.session_state["last_depth"]
    if entered:
        session.leave_page()
        forget_live()
        session.umap_worker()  # it compiles while people look around
    if draw is None and BEFORE_LESSON in st.session_state:
        st.session_state["settings"] = st.session_state.pop(BEFORE_LESSON)
    settings, problems = (
        draw(entered) if draw else sidebar(entered, controls=controls, baselines=baselines, elsewhere=elsewhere)
    )
    with st.container():  # always there, so that what follows keeps its place when a sentence goes
        for problem in problems:
            st.warning(problem)
    return settings
