"""The section "Spectrum and convergence": λ of I − A over depth, its eigenvectors, and Laplacian Eigenmaps beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from dr_transformer.canvas.parts import CanvasSpec, Colouring, Panel
from dr_transformer.charts.attention import angle_chart, eigenvalue_chart
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset, subset, subset_sentence
from dr_transformer.engine.spectrum import MOST_BLOCKS, N_MAPS, SpectrumRun, overlaps, verdict
from dr_transformer.model.planes import in_view
from dr_transformer.types import Floats
from dr_transformer.ui.canvas import latent_canvas
from dr_transformer.ui.charts import draw_chart, mark_depth, show_depth_curves, tables_behind
from dr_transformer.ui.inside import jobs
from dr_transformer.ui.inside.neighbours import choose_neighbors
from dr_transformer.ui.job_panel import cancel_or_go_on, kept_going, show_state
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import BJORCK_GOLUB, PAPER, grouped, panels_in_words, refusal

SIZES = (500, 1000, 2000, 4000)
_NAMES = {
    "latents": "latents with Eigenmaps",
    "attention": "A with Eigenmaps",
    "own": "latents with A, λ < ½",
}


def show(dataset: Dataset, config: Config, settings: Settings) -> None:
    """Draw the section, of a subset where there are many tokens, over a depth of its own."""
    _explain()
    state = st.session_state
    defaults = {"spectrum_n": 2000, "spectrum_blocks": MOST_BLOCKS, "spectrum_k": 10}
    with remembered("spectrum", defaults), st.container(horizontal=True, vertical_alignment="bottom"):
        most = min(dataset.n_samples, SIZES[-1])
        sizes = [size for size in SIZES if size < most] + [most]
        state["spectrum_n"] = max(size for size in sizes if size <= max(sizes[0], state["spectrum_n"]))
        n_samples = st.selectbox(
            "Tokens",
            sizes,
            format_func=grouped,
            key="spectrum_n",
            width=130,
            help="Time grows as their square: 2\u202f000 take about half a minute over 64 blocks.",
        )
        n_blocks = st.slider(
            "Blocks",
            1,
            MOST_BLOCKS,
            key="spectrum_blocks",
            width=200,
            help="The depth of this section; the sidebar's is for the other pages.",
        )
        largest = max(1, min(20, config.n_components - 1, n_samples - 2))
        state["spectrum_k"] = min(largest, state["spectrum_k"])
        n_components = st.number_input(
            "Directions",
            1,
            largest,
            key="spectrum_k",
            width=130,
            help="How many eigenvectors, and leading directions of the latents, are compared.",
        )
        n_neighbors = choose_neighbors(settings, n_samples)
    seed = config.random_state
    st.caption(f"On {subset_sentence(dataset, n_samples, seed)}, run as if they were all.")
    some, deep = subset(dataset, n_samples, seed), replace(config, n_blocks=n_blocks)
    _section(some, deep, n_components, n_neighbors, min(config.n_blocks, n_blocks))


def _explain() -> None:
    st.markdown(
        "1. $I - A$ is the Laplacian of the graph that attention infers (paper, section 3). It is not symmetric, but "
        "similar to a matrix that is, so its eigenvalues are real: small λ, slow to decay when attention is repeated.\n"
        "2. Laplacian Eigenmaps are the same model with a graph computed once from the pixels: the eigenvectors $U_q$ "
        "of its $q$ smallest non-zero eigenvalues (paper, section 3).\n"
        "3. If unrolling converged to what this theory says, the directions in which the latents differ most would "
        "come to span the same subspace. Principal angles $\\theta_i$ say how near: overlap 1: the same, $k/n$: chance."
    )
    formulas = {
        r"(I - A)\,v = \lambda v": f"1. {PAPER}.",
        r"\hat X = U_q\,(\Lambda_q^{-1} - \beta I)^{1/2} R": f"2. {PAPER}.",
        r"\text{overlap} = \frac1k \sum_{i=1}^{k} \cos^2 \theta_i": "3. Principal angles: "
        f"{BJORCK_GOLUB}; their mean squared cosine as a measure: chosen in this project.",
    }
    for column, (formula, source) in zip(st.columns(3), formulas.items(), strict=True):
        column.latex(formula)
        column.caption(source)


@st.fragment
def _section(dataset: Dataset, config: Config, n_components: int, n_neighbors: int, start: float) -> None:
    asked = (dataset.key, config, n_components, n_neighbors)
    run, stopped = kept_going("spectrum", asked, lambda: jobs.spectrum_run(dataset, config, n_components, n_neighbors))
    pending = not stopped and not run.finished  # asked first: all below is drawn again then
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="content"):
            cancel_or_go_on("spectrum", asked, pending=pending, stopped=stopped)
        with st.container(width="stretch"):
            if not run.error:
                _progress(run, stopped)
    place, more = st.container(gap=None), False
    if run.error:
        st.error(refusal(run.error))
    for message in run.eigenmaps.messages if run.eigenmaps else ():
        st.info(message)
    if run.blocks:
        first = first_drawn(min(N_MAPS, run.n_components))
        with place:
            depth = spectrum_canvas(run, start, first)
        with st.container():
            more = _in_words(run, first, depth)
        _curves(run)
    with place:
        poll(pending or more, seconds=0.5, key="spectrum_poll")


def _in_words(run: SpectrumRun, first: int, depth: float) -> bool:
    drawn = {panel.title: ((run, first), list(panel.frames)) for panel in panels(run, len(run.blocks), first)}
    seed = run.config.random_state
    where = "in the two dimensions that each panel shows"
    return panels_in_words(drawn, run.dataset, depth, key="spectrum", dimensions=where, random_state=seed)


def _progress(run: SpectrumRun, stopped: bool) -> None:
    done, total = len(run.blocks), run.config.n_blocks + 1
    show_state(
        run,
        f"{run.progress:.0%}: block {min(done, total - 1)} of {total - 1}",
        running=not stopped,
        stopped=f"Stopped after {done} of {total} blocks.",
        done=f"{grouped(run.dataset.n_samples)} tokens, {total - 1} blocks.",
    )


def _curves(run: SpectrumRun) -> None:
    blocks = list(run.blocks)
    n_blocks, k, n = run.config.n_blocks, run.n_components, run.dataset.n_samples
    found = overlaps(blocks)
    said = verdict([value or 0.0 for value in found["latents"]], found["own"][-1], len(blocks[-1].own), k / n)
    so_far = "" if run.complete else "So far: "
    st.markdown(f"{so_far}**{said[0]}** {' '.join(said[1:])}")
    curves = {_NAMES[name]: values for name, values in found.items()}
    show_depth_curves(curves, n_blocks=n_blocks, canvas=CANVAS)
    st.caption(
        f"Overlaps of subspaces, 1 is the same: the latents' {k} leading directions with {k} eigenvectors of Laplacian "
        f"Eigenmaps; {k} eigenvectors of I − A with these; and the latents' leading directions with those of I − A "
        "that have λ < ½, as many as there are."
    )
    eigenvalues, angles = [block.eigenvalues for block in blocks], [block.latents for block in blocks]
    charts = {
        "eigenvalues": eigenvalue_chart(eigenvalues, n_blocks=n_blocks),
        "angles": angle_chart(angles, n_blocks=n_blocks),
    }
    with st.container(key="spectrum_lines"):
        for column, (key, chart) in zip(st.columns(2), charts.items(), strict=True):
            with column:
                draw_chart(chart, key=key)
        least, mean = [float(each[0]) for each in eigenvalues], [float(np.degrees(each).mean()) for each in angles]
        marked = dict(zip(charts, (least, mean), strict=True))
        mark_depth(marked, n_blocks=n_blocks, canvas=CANVAS, container="spectrum_lines")
    tables_behind(charts, key="spectrum", label="Spectrum and angles as tables")
    st.caption(
        f"The {k} smallest λ but for the 0 of the constant eigenvector; the {k} principal angles between the latents' "
        "leading directions and Laplacian Eigenmaps; dark to bright in order. Above the mark: the least λ, the mean "
        "angle. Eigenvectors are drawn from the second on, the first being constant, each scaled to 1 at its largest "
        "entry."
    )


CANVAS = "spectrum_canvas"
_HEIGHT = 280


def first_drawn(available: int) -> int:
    """Ask which of the non-trivial eigenvectors, from 0, is drawn to the right; the next one is drawn upwards."""
    state = st.session_state
    pairs = list(range(max(1, available - 1)))
    with remembered("spectrum pair", {"spectrum_pair": 0}):
        state["spectrum_pair"] = min(state["spectrum_pair"], pairs[-1])
        chosen = st.segmented_control(
            "Eigenvectors drawn",
            pairs,
            required=True,
            format_func=lambda j: f"{j + 2}, {j + 3}",
            key="spectrum_pair",
            help="Of I − A and of Laplacian Eigenmaps, by ascending eigenvalue; the first is constant.",
        )
    return chosen or 0


def spectrum_canvas(run: SpectrumRun, start: float, first: int) -> float:
    """Draw latents, A's eigenvectors and Laplacian Eigenmaps, side by side, from the depth `start` on.

    Returns the depth at which the user rests.
    """
    dataset, done = run.dataset, len(run.blocks)
    shown = replace(
        CanvasSpec.of(dataset, panels(run, done, first), run.config.n_blocks),
        depth=start,
        height=_HEIGHT,
        colourings=colourings(run, done),
        content_key=f"{dataset.key} {run.config} {run.n_components} {run.n_neighbors}",
        key=CANVAS,
    )
    return latent_canvas(shown).depth


def panels(run: SpectrumRun, done: int, first: int = 0) -> list[Panel]:
    """Return panels of `done` blocks: latents, two of A's eigenvectors from `first` on, those of the pixels' graph."""
    assert run.eigenmaps is not None
    depths, names = tuple(map(float, range(done))), tuple(f"block {b}" for b in range(done))
    principal = in_view(run.principal[:done], ViewConfig(view="aligned-pca"))
    maps = np.stack([_two(each, first) for each in run.maps[:done]])
    reference = _two(run.eigenmaps.embedding, first)[None]
    components = ("principal component 1", "principal component 2")
    axes = (f"eigenvector {first + 2}", f"eigenvector {first + 3}")
    return [
        Panel("Latents after {frame}", principal, depths, *components, frame_names=names),
        Panel("Eigenvectors of I − A, {frame}", maps, depths, *axes, frame_names=names),
        Panel("Laplacian Eigenmaps of the pixels", reference, (0.0,), *axes),
    ]


def colourings(run: SpectrumRun, done: int) -> list[Colouring]:
    """Return A's eigenvectors block by block, and those of the pixels' graph, to colour all panels by."""
    assert run.eigenmaps is not None
    found = []
    for j in range(min(N_MAPS, run.n_components)):
        values = np.stack([maps[:, j] for maps in run.maps[:done]])
        found.append(Colouring(f"eigenvector {j + 2} of I − A", values, low=-1.0, high=1.0))
    for j, column in enumerate(run.eigenmaps.embedding.T[:2]):
        most = float(np.abs(column).max())
        name = f"eigenvector {j + 2}, Laplacian Eigenmaps"
        found.append(Colouring(name, column / most, low=-1.0, high=1.0))
    return found


def _two(maps: Floats, first: int) -> Floats:
    """Two columns of maps (n, k) from `first` on; 0 for one that there is not."""
    found = maps[:, first : first + 2]
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
