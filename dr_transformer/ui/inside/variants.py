"""Other attention and regulariser steps side by side: which term of the objective collapses the latents."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import streamlit as st

from dr_transformer.canvas.parts import CanvasSpec, Panel
from dr_transformer.charts.blocks import LOOKS, variants_curve
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset, subset, subset_sentence
from dr_transformer.engine.inside import SUBSAMPLE, VariantRun
from dr_transformer.model.planes import axis_names, in_view
from dr_transformer.theory.variants import ATTENTIONS, REGULARISERS, Variant
from dr_transformer.ui.canvas import latent_canvas
from dr_transformer.ui.charts import draw_chart, mark_depth, tables_behind
from dr_transformer.ui.inside.jobs import SLOTS, variant_runs
from dr_transformer.ui.inside.objective import BETAS, TERMS
from dr_transformer.ui.link import LAST_BLOCK
from dr_transformer.ui.poll import poll
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import PAPER, panels_in_words, refusal

CANVAS = "variants_canvas"
NAMES = {
    "standard": "standard A",
    "diffusion": "graph diffusion A − I",
    "gradient": "exact gradient",
    "feed_forward": "feed-forward",
    "exact": "exact regulariser",
    "none": "no regulariser",
}
_STEPS = {
    "attention": (
        r"\begin{aligned} &\textsf{standard } A & X &\leftarrow X + 2\eta\, A X \\ "
        r"&\textsf{diffusion } A - I & X &\leftarrow X + 2\eta\, (A - I) X \\ "
        r"&\textsf{exact gradient} & X &\leftarrow X - \eta'\, (\tilde L + \tilde L^\top) X \end{aligned}",
        f"The first two: {PAPER}. The third: $\\tilde L = I - A$; the gradient with $A$ held fixed, derived in this "
        "project, as is $\\eta' = \\eta / (1 + 2\\eta)$, at which it differs from the first by the asymmetry of $A$ "
        "alone.",
    ),
    "regulariser": (
        r"\begin{aligned} &\textsf{feed-forward} & X &\leftarrow X - 2\eta X \\ "
        r"&\textsf{exact} & X &\leftarrow X + 2\eta_r\, X (X^\top X + \beta I)^{-1} \\ "
        r"&\textsf{none} & X &\leftarrow X \end{aligned}",
        f"{PAPER}: the gradient of the log det, which the second climbs, and the linear map that stands for it, the "
        "first.",
    ),
}
CHOICES = tuple(product(ATTENTIONS, REGULARISERS))
_FIRST = [*((attention, "feed_forward") for attention in ATTENTIONS), ("standard", "exact")]
_HEIGHT = 240
_OTHER = {"rank": "effective rank", "accuracy": "5-NN accuracy"}

Choice = tuple[str, str]


@st.fragment
def variants_section(dataset: Dataset, config: Config, view: ViewConfig) -> None:
    """Choose variants, and see them on one clock, with their objectives and what is left of the classes."""
    st.subheader("Which term collapses the latents?", anchor=False)
    st.markdown("The same block with its two steps exchanged; the LayerNorms stay.")
    for column, (formula, source) in zip(st.columns(2), _STEPS.values(), strict=True):
        column.latex(formula)
        column.caption(source)
    defaults = {"variants": _FIRST, "variants_beta": 1.0, "variants_eta_r": 0.4}
    with remembered("inside_variants", defaults):
        chosen: list[Choice] = st.multiselect(
            "Variants",
            CHOICES,
            key="variants",
            max_selections=SLOTS,
            format_func=name_of,
            help=f"Up to {SLOTS}, each attention step with each regulariser step.",
        )
        with st.container(horizontal=True):
            beta = st.select_slider(
                "β of the exact regulariser, and of KL",
                BETAS,
                key="variants_beta",
                width=280,
                format_func=lambda value: f"{value:g}",
                help="Small β spreads the latents evenly over all dimensions; 1 is the mean eigenvalue of XᵀX.",
            )
            eta_r = st.slider(
                "η_r of the exact regulariser",
                0.05,
                1.0,
                step=0.05,
                key="variants_eta_r",
                width=280,
                help="Its step size: it adds 2η_r X(XᵀX + βI)⁻¹ to the latents X.",
            )
    some = subset(dataset, SUBSAMPLE, config.random_state)
    runs = variant_runs(some, config, [_variant(choice, beta, eta_r) for choice in chosen])
    pending = any(not run.finished for run in runs)  # asked first: what is drawn below is then all there is
    if not chosen:
        st.info("Choose at least one variant.")
    for error in {run.error for run in runs if run.error}:
        st.error(refusal(error))
    with st.container(key="variants_panels"):
        depth = _panels(some, config, view, chosen, runs)
    place = st.container(gap=None)
    st.caption(
        f"On {sample_sentence(dataset, config)}; α = {config.alpha:g}, η = {config.eta:g} for each. "
        "5-NN: fitted on four fifths, scored on the rest."
    )
    with st.container():
        described = {
            f"{name_of(choice)}, {{frame}}": (run, list(run.latents)) for choice, run in zip(chosen, runs, strict=True)
        }
        more = panels_in_words(described, some, depth, key="variants", random_state=config.random_state)
    _curves(config, chosen, runs, beta)
    if chosen and not pending:
        st.dataframe(table(chosen, runs, beta), hide_index=True, key="variants_table", height=35 * (len(runs) + 1) + 3)
        st.markdown(verdict(chosen, runs, beta))
    with place:
        poll(pending or more, seconds=0.5, key="variants_poll")


def sample_sentence(dataset: Dataset, config: Config) -> str:
    """Say on which tokens the variants run, a clause."""
    said = subset_sentence(dataset, SUBSAMPLE, config.random_state)
    return said if dataset.n_samples <= SUBSAMPLE else f"{said}, run as if they were all"


def name_of(choice: Choice) -> str:
    """Name a variant: "standard A + feed-forward"."""
    return " + ".join(NAMES[part] for part in choice)


def _variant(choice: Choice, beta: float, eta_r: float) -> Variant:
    attention, regulariser = choice
    if regulariser != "exact":  # it has neither: a new β is no new run
        return Variant(attention=attention, regulariser=regulariser)
    return Variant(attention=attention, regulariser=regulariser, beta=beta, eta_r=eta_r)


def _panels(dataset: Dataset, config: Config, view: ViewConfig, chosen: list[Choice], runs: list[VariantRun]) -> float:
    """Draw them; returns the depth at which the user rests."""
    if not any(run.latents for run in runs):
        return float(config.n_blocks)
    x_label, y_label = axis_names(view, config.n_components)
    panels = []
    for sign, choice, run in zip(LOOKS, chosen, runs, strict=False):
        latents = list(run.latents)
        title = f"{sign} {name_of(choice)}"
        if not latents:
            panels.append(Panel(title, np.zeros((1, dataset.n_samples, 2)), (0.0,), scale=view.scale, blank=True))
            continue
        frames = in_view(latents, view, min(view.view_block, len(latents) - 1))
        names = tuple(f"block {block}" for block in range(len(latents)))
        depths = tuple(map(float, range(len(latents))))
        panels.append(
            Panel(f"{title}, {{frame}}", frames, depths, x_label, y_label, scale=view.scale, frame_names=names)
        )
    shown = CanvasSpec.of(dataset, panels, config.n_blocks)
    return latent_canvas(replace(shown, depth=LAST_BLOCK, height=_HEIGHT, key=CANVAS)).depth


def _curves(config: Config, chosen: list[Choice], runs: list[VariantRun], beta: float) -> None:
    names = [name_of(choice) for choice in chosen]
    objectives = {name: [terms.at(beta) for terms in list(run.terms)] for name, run in zip(names, runs, strict=True)}
    curves = {
        title: {name: [getattr(o, term) for o in found] for name, found in objectives.items()}
        for term, title in TERMS.items()
    }
    curves[_OTHER["rank"]] = {name: list(run.ranks) for name, run in zip(names, runs, strict=True)}
    if any(run.accuracies for run in runs):
        curves[_OTHER["accuracy"]] = {name: list(run.accuracies) for name, run in zip(names, runs, strict=True)}
    st.caption(" &emsp; ".join(f"{sign} {name}" for sign, name in zip(LOOKS, names, strict=False)))
    charts = {}
    with st.container(key="variant_curves", gap=None):
        for number, (title, values) in enumerate(curves.items()):
            chart = variants_curve(title, values, n_blocks=config.n_blocks)
            charts[title] = chart
            draw_chart(chart, key=f"variants_{number}")
        unwritten = {f"variants_{number}": None for number in range(len(curves))}
        mark_depth(unwritten, n_blocks=config.n_blocks, canvas=CANVAS, container="variant_curves")
    tables_behind(charts, key="variants", label="Curves as tables")


def table(chosen: list[Choice], runs: list[VariantRun], beta: float) -> pd.DataFrame:
    """Return the last block's figures, a row a variant."""
    rows = []
    for choice, run in zip(chosen, runs, strict=True):
        if not run.terms:
            continue
        last = run.terms[-1].at(beta)
        row: dict[str, str | float] = {"variant": name_of(choice)}
        row |= {title: round(getattr(last, term), 2) for term, title in TERMS.items()}
        row[_OTHER["rank"]] = round(run.ranks[-1], 2)
        if run.accuracies:
            row[_OTHER["accuracy"]] = round(run.accuracies[-1], 3)
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(chosen: list[Choice], runs: list[VariantRun], beta: float) -> str:
    """Say which variants lose directions and which let KL rise, from the figures."""
    done = [(name_of(c), r) for c, r in zip(chosen, runs, strict=True) if r.complete]
    kl = {name: [t.at(beta).kl for t in (run.terms[0], run.terms[-1])] for name, run in done}
    fewer = [name for name, run in done if run.ranks[-1] < run.ranks[0]]
    more = [name for name, run in done if run.ranks[-1] >= run.ranks[0]]
    rising = [name for name, (first, last) in kl.items() if last > first]
    falling = [name for name in kl if name not in rising]
    clauses = (
        ("The latents lose directions under", fewer),
        ("They keep or gain directions under", more),
        ("KL rises under", rising),
        ("KL falls under", falling),
    )
    return " ".join(f"{said} {'; '.join(names)}." for said, names in clauses if names)
