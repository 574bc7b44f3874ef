"""A small Streamlit script around the latent canvas, with data of known coordinates, for the browser tests.

The query chooses the data: n (points), frames (computed so far), blocks, depth, style=plain|real.
"""

from __future__ import annotations

import numpy as np

N_CLASSES = 10
CLUSTERS = ("first half", "second half")
K = 4  # attended tokens


def make_labels(n: int) -> np.ndarray:
    return np.arange(n) % N_CLASSES


def make_frames(n: int, n_frames: int, seed: int = 0) -> np.ndarray:
    """(n_frames, n, 2): clusters that contract and drift with depth. Token 0 stands far from all others."""
    random = np.random.RandomState(seed)
    angle = 2 * np.pi * make_labels(n) / N_CLASSES
    centre = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    noise = random.randn(n, 2)
    share = np.arange(n_frames)[:, None, None] / 8
    frames = centre * share + 0.35 * noise * (1 - 0.8 * share)
    frames = np.clip(frames, -1.6, 1.6) * (1 + 0.5 * np.arange(n_frames))[:, None, None]
    frames[:, 0] = np.stack([2.0 + np.arange(n_frames), 2.5 - 0.4 * np.arange(n_frames)], axis=1)
    return frames


def make_images(n: int) -> np.ndarray:
    """(n, 28, 28) uint8: token i has a bright square whose row tells its class."""
    images = np.zeros((n, 28, 28), dtype=np.uint8)
    for label in range(N_CLASSES):
        images[label::N_CLASSES, 4 + 2 * label : 8 + 2 * label, 8:20] = 255
    return images


def make_entropy(n: int, n_frames: int) -> np.ndarray:
    """(n_frames, n): rises with the index from 0 to 1, and by 1 with each block; token 1 has none."""
    values = np.arange(n) / (n - 1) + np.arange(n_frames)[:, None]
    values[:, 1] = np.nan
    return values


def make_attended(n: int, blocks: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, K) indices and weights: block b attends to the K tokens from b + 1 places after `index` on."""
    rows = np.arange(blocks)[:, None]
    indices = (index + rows + 1 + np.arange(K)) % n
    weights = np.array([0.4, 0.31, 0.2, 0.004]) / (1 + rows)
    return indices, weights


def main() -> None:
    import streamlit as st

    from dr_transformer.canvas.parts import Attended, CanvasSpec, Colouring, Panel
    from dr_transformer.ui.canvas import latent_canvas, pinned_token

    st.set_page_config(layout="wide")
    query = st.query_params
    n = int(query.get("n", 400))
    blocks = int(query.get("blocks", 8))
    state = st.session_state
    state.setdefault("computed", int(query.get("frames", blocks + 1)))
    state.setdefault("depth", float(query.get("depth", 0)))
    state.setdefault("runs", 0)
    state.setdefault("seed", 0)
    state.runs += 1
    with st.sidebar:
        st.button("Rerun")
        if st.button("Another frame"):
            state.computed += 1
        if st.button("Other data"):
            state.seed += 1
        if st.button("Python sets depth 3"):
            state.depth = 3.0
        if st.button("Python selects 3, 5, 8"):
            state.selection = np.array([8, 3, 5])
        if st.button("Python selects nothing"):
            state.selection = np.array([], dtype=int)
        if st.button("Hide or show"):
            state.hidden = not state.get("hidden", False)
    st.text(f"run {state.runs}")
    if state.get("hidden", False):
        return
    frames = make_frames(n, state.computed, state.seed)
    plain = query.get("style", "plain") == "plain"
    dataset_key = f"synthetic-{n}-{state.seed}"
    pinned = pinned_token(dataset_key)
    attended = None if pinned is None else Attended(pinned, *make_attended(n, blocks, pinned))
    shown = CanvasSpec(
        [
            Panel("Random projection, Y W", frames[:1], (0.0,), "latent axis 0", "latent axis 1"),
            Panel("Block {depth}", frames, tuple(map(float, range(state.computed))), "latent axis 0", "latent axis 1"),
        ],
        labels=make_labels(n),
        class_names=[str(label) for label in range(N_CLASSES)],
        dataset_key=dataset_key,
        n_blocks=blocks,
        depth=state.depth,
        images=make_images(n),
        point_size=8 if plain else None,
        opacity=1 if plain else None,
        colourings=[
            Colouring("cluster", (np.arange(n) >= n // 2).astype(int), CLUSTERS),
            Colouring("entropy", make_entropy(n, state.computed), unit="nats"),
            Colouring("share kept", (np.full(n, 0.25), np.full(n, 0.75)), low=0.0, high=1.0),
        ],
        selection=state.get("selection"),
        attended=attended,
    )
    result = latent_canvas(shown)
    st.text(f"Python has depth {result.depth!r}")
    st.text(f"Python has selection {result.selection.tolist()}"[:400])
    st.text(f"Python has pinned {result.pinned!r}")


if __name__ == "__main__":
    main()
