"""What is trained on the page "Graph diffusion": a small comparison, by a few widgets."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from dr_transformer.data.mnist import cache_folder
from dr_transformer.errors import InputError
from dr_transformer.paths import in_place_of
from dr_transformer.training.outcome import NAMES, TASK_NAMES
from dr_transformer.training.runs import Sources
from dr_transformer.training.settings import ATTENTIONS, PRESETS, Settings
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import escaped

PRESET = "minute"
IMAGES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
MAX_SEEDS, MAX_ITERS, MAX_TEXT_MEGABYTES = 20, 2000, 16


@dataclass(frozen=True)
class Request:
    """A comparison to train. `text` is an uploaded file's name and content, which is not on disk yet."""

    settings: Settings
    attentions: tuple[str, ...]
    seeds: tuple[int, ...]
    dataset: str | None = None
    n_samples: int | None = None
    text: tuple[str, bytes] | None = None

    def sources(self) -> Sources:
        """Return where the process that trains finds the data; write an uploaded text there. Raises `InputError`."""
        folder = os.environ.get("DR_TRANSFORMER_DATA")
        if self.dataset is not None:
            return Sources(dataset=self.dataset, n_samples=self.n_samples, data_folder=Path(folder) if folder else None)
        if self.text is None:
            return Sources()
        name, content = self.text
        try:
            place = cache_folder() / "training" / "texts" / hashlib.sha256(content).hexdigest()[:16] / Path(name).name
            place.parent.mkdir(parents=True, exist_ok=True)
            with in_place_of(place) as partial:
                partial.write_bytes(content)
        except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
            raise InputError(f"the text cannot be kept for the training ({error}); make room on the disk.") from error
        return Sources(text=place)


def controls() -> Request:
    """Draw the widgets. Raises `InputError` for what makes no comparison."""
    with remembered("diffusion_training", _DEFAULTS):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            task = st.segmented_control(
                "Task",
                list(TASK_NAMES),
                required=True,
                format_func=TASK_NAMES.__getitem__,
                key="diffusion_task",
                help="Guess the next character of a text, or the class of a 16 × 16 image.",
            )
            attentions = st.pills(
                "Attention",
                ATTENTIONS,
                selection_mode="multi",
                format_func=NAMES.__getitem__,
                key="diffusion_attentions",
                help="Which variants are trained; each other one is compared with A.",
            )
        base = PRESETS[str(task)][PRESET]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            n_seeds = _number(
                "seeds", "Seeds", 1, MAX_SEEDS, 1, "Pairs of runs: the more, the smaller an effect shows."
            )
            max_iters = _number("iters", "Iterations", 10, MAX_ITERS, 50, "Steps of the optimiser in each run.")
            n_layer = _number("n_layer", "Blocks", 1, 6, 1, "Depth; the preset `minute` has 4.")
            n_embd = st.selectbox(
                "Width", (16, 32, 64), key="diffusion_n_embd", width=110, help="Of a token; the preset `minute` has 64."
            )
            a_per_layer = st.toggle(
                "One a for each block",
                key="diffusion_a_per_layer",
                disabled="learned" not in attentions,
                help="A − aI learns one scalar a for the whole model, or one for each block.",
            )
        source = _text() if task == "lm" else _images()
    changes: dict[str, Any] = {
        "max_iters": max_iters,
        "n_layer": n_layer,
        "n_embd": n_embd,
        "a_per_layer": a_per_layer and "learned" in attentions,
        "warmup_iters": min(base.warmup_iters, max_iters // 10),
        "eval_interval": max(1, max_iters // 10),
    }
    chosen = tuple(name for name in ATTENTIONS if name in attentions)
    if "standard" not in chosen or len(chosen) < 2:
        raise InputError("choose A and at least one other attention: a comparison needs both.")
    return Request(replace(base, **changes), chosen, tuple(range(n_seeds)), **source)


def _number(name: str, label: str, least: int, most: int, step: int, help: str) -> int:
    key = f"diffusion_{name}"
    return int(st.number_input(label, least, most, step=step, key=key, width=130, help=help))


def _text() -> dict[str, Any]:
    file = st.file_uploader(
        "Text (.txt)",
        type=["txt"],
        key="diffusion_text",
        max_upload_size=MAX_TEXT_MEGABYTES,
        help="Any UTF-8 text of some thousand characters. Its last tenth validates, and may have no character that "
        "the rest does not have.",
    )
    if file:
        st.session_state["diffusion_text_kept"] = (file.name, file.getvalue())
    kept = st.session_state.get("diffusion_text_kept")
    if kept is None:
        st.caption(f"Without a file: tiny Shakespeare, {_where()}.")
        return {}
    if not file:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{escaped(kept[0])} is in use.")
            if st.button(
                "Use tiny Shakespeare", key="diffusion_forget_text", help="Forgets the file.", type="tertiary"
            ):
                del st.session_state["diffusion_text_kept"]
                st.rerun()
    return {"text": kept}


def _where() -> str:
    """Return where tiny Shakespeare is."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home folder
        if (cache_folder() / "tinyshakespeare" / "input.txt").is_file():
            return "which is on this computer already"
    return "which is downloaded once (1 MB)"


def _images() -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = st.selectbox(
            "Images",
            list(IMAGES),
            format_func=IMAGES.__getitem__,
            key="diffusion_dataset",
            width=180,
            help="Made 16 × 16: stand-ins for ImageNet. MNIST comes with the program, Fashion-MNIST is downloaded.",
        )
        n_samples = st.selectbox(
            "How many",
            (1000, 2000, 5000, 10_000),
            format_func=lambda n: f"{n:,}".replace(",", "\u202f"),
            key="diffusion_n_samples",
            width=130,
            help="The last fifth validates.",
        )
    return {"dataset": dataset, "n_samples": n_samples}


_DEFAULTS: dict[str, Any] = {
    "diffusion_task": "lm",
    "diffusion_attentions": ["standard", "laplacian"],
    "diffusion_seeds": 5,
    "diffusion_iters": 200,
    "diffusion_n_layer": 2,
    "diffusion_n_embd": 32,
    "diffusion_a_per_layer": False,
    "diffusion_dataset": "mnist",
    "diffusion_n_samples": 5000,
}
