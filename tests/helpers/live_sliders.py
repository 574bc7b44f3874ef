"""The sliders beside the picture, which AppTest does not see: their values go into the session as the browser's do."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def set_on_canvas(app: AppTest, **values: float) -> AppTest:
    """Give sliders beside the picture these values, before the next run."""
    app.session_state["settings"] = app.session_state["settings"] | values
    return app
