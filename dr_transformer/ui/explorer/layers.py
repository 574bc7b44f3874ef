"""Under the picture of a network's layers: how near a hand-written block comes to each of them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dr_transformer.data.dataset import Dataset
from dr_transformer.theory.nearest_block import ALPHAS, N_FITTED, NearestBlock
from dr_transformer.ui import session
from dr_transformer.ui.poll import poll
from dr_transformer.ui.text import grouped, refusal

_HELP = {
    "layer": "The layer that the block is to do what it does.",
    "α": f"Of the block that comes nearest, looked for between {ALPHAS[0]:g} and {grouped(int(ALPHAS[1]))}.",
    "η": "Of the same block. Above ½ a block also turns every token to its mirror image.",
    "left over": "Σ‖block(X) − Y‖² / Σ‖Y‖² for a layer's input X and output Y, LayerNormed: 0 same, 2 unrelated.",
    "if nothing moved": "The same for a block that leaves every token where it is.",
}


@st.fragment
def layers_section(dataset: Dataset, random_state: int) -> None:
    """Draw the table of fits, which grows by a row a layer."""
    assert dataset.trajectory is not None
    n_layers = len(dataset.trajectory) - 1
    fits = session.layer_fits(dataset, random_state)
    found = list(fits.found)
    st.subheader("How near a hand-written block comes", anchor=False)
    st.caption(
        "A block of the untrained transformer has two numbers, α and η. With these it does most nearly what a layer of "
        "your network does."
    )
    if found:
        st.dataframe(
            pd.DataFrame(_row(i, fit) for i, fit in enumerate(found, 1)),
            hide_index=True,
            width="content",
            key="layer_fits",
            column_config={name: st.column_config.NumberColumn(help=text) for name, text in _HELP.items()},
        )
    if fits.error:
        st.error(refusal(fits.error))
    elif len(found) < n_layers:
        st.caption(f"Layer {len(found) + 1} of {n_layers} is being measured …")
    elif dataset.n_samples > N_FITTED:
        st.caption(f"Measured on {grouped(N_FITTED)} tokens drawn with the seed, which attend among themselves.")
    poll(not fits.finished, key="layer_fits_poll")


def _row(layer: int, fit: NearestBlock) -> dict[str, float]:
    values = (
        layer,
        float(f"{fit.alpha:.3g}"),
        float(f"{fit.eta:.3g}"),
        float(f"{fit.left:.3g}"),
        float(f"{fit.unmoved:.3g}"),
    )
    return dict(zip(_HELP, values, strict=True))
