"""The chart of a training that is under way has its numbers as a table."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from dr_transformer.ui.diffusion import training

    st.session_state[training._ASKED] = ("asked", None)
    job = SimpleNamespace(
        finished=False,
        working=True,
        rows=(),
        n_runs=2,
        error=None,
        messages=(),
        progress=0.3,
        current=("laplacian", 7),
        iteration=20,
        n_iterations=100,
        seconds_left=None,
        attentions=("standard", "laplacian"),
        curve={"step": [0, 10, 20], "val_loss": [4.25, 3.5, 3.0]},
        train={"every": 10, "loss": [4.0, 3.25]},
    )
    training._live(job, 0, ())


def test_the_losses_on_screen_are_a_table() -> None:
    app = AppTest.from_function(page).run()
    assert not app.exception
    assert not app.dataframe  # nothing of it is sent while it is closed
    app.session_state["diffusion_live_table"] = True
    (table,) = app.run().dataframe
    assert table.value.to_numpy().tolist() == [
        ["A − I, training", 5.0, 4.0],
        ["A − I, training", 15.0, 3.25],
        ["A − I", 0.0, 4.25],
        ["A − I", 10.0, 3.5],
        ["A − I", 20.0, 3.0],
    ]
