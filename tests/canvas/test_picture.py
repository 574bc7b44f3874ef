"""From a run to panels: frame by frame as from all frames at once, new blocks alone anew, and what a preview lacks."""

import weakref

import numpy as np
import pytest
import torch

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.canvas.blob import packed_frames
from dr_transformer.canvas.parts import Panel
from dr_transformer.canvas.picture import Drawing, Picture, reachable
from dr_transformer.canvas.picture import picture as picture_of
from dr_transformer.config import VIEWS, ViewConfig
from dr_transformer.engine import run_cost
from dr_transformer.engine.run import Run, Trajectory
from dr_transformer.engine.run_cost import shows_sub_steps
from dr_transformer.model.planes import Projector
from dr_transformer.model.unroll import after_attention
from tests.helpers import plain_views

CONFIG = Config(n_components=8, n_blocks=4, device="cpu")
EVERY_VIEW = [ViewConfig(view=view, first_axis=3, second_axis=99, view_block=2) for view in VIEWS]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 300)


def begun(digits: Dataset, n_blocks: int, *, sub_steps: bool = True) -> Run:
    """A run that has come so far."""
    run = Run(digits, CONFIG)
    run.full = Trajectory(sub_steps)
    for step in unroll(digits.Y, CONFIG):
        if step.block <= n_blocks:
            run.full.take(step)
    return run


def picture(run: Run, view: ViewConfig, depth: float, drawing: Drawing | None = None) -> Picture | None:
    """Return what can be drawn of it now, by `drawing` if it was begun before."""
    drawing = drawing or Drawing(run, view)
    drawing.grow()
    return picture_of(drawing, depth)


def all_at_once(run: Run, view: ViewConfig) -> tuple[np.ndarray, np.ndarray]:
    """Both panels the plain way: every sub-step's latents held together, then projected, then stacked."""
    full, last = run.full, CONFIG.n_components - 1
    frames, depths = [full.latents[0]], [0.0]
    for block in range(1, len(full.latents)):
        if full.sub_steps:
            AX = torch.from_numpy(full.attention[block - 1])
            frames += [step.numpy() for step in (AX, *(X for _, X in after_attention(AX, len(AX), CONFIG)))][:3]
            depths += [block - 0.5, block - 0.25, block - 0.125]
        frames.append(full.latents[block])
        depths.append(block)
    assert full.start is not None
    fixed = max(i for i, depth in enumerate(depths) if depth <= view.view_block)
    start, moving = (
        {
            "axes": lambda X: plain_views.axes_view(X, min(view.first_axis, last), min(view.second_axis, last)),
            "pca": plain_views.pca_view,
            "fixed-pca": lambda X: plain_views.fixed_pca_view(X, fixed),
            "aligned-pca": plain_views.aligned_pca_view,
        }[view.view](X)
        for X in ([full.start], frames)
    )
    return start, moving


def assert_panels(panels: list[Panel], run: Run, view: ViewConfig) -> None:
    for panel, expected in zip(panels, all_at_once(run, view), strict=True):
        assert panel.frames.dtype == expected.dtype
        np.testing.assert_array_equal(panel.frames, expected)
        at_once = packed_frames(expected)  # as they are sent, packed block by block
        assert [frame.digest for frame in panel.packed] == [frame.digest for frame in at_once]


@pytest.mark.parametrize("sub_steps", [True, False])
@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.view)
def test_frame_by_frame_is_all_at_once_to_the_bit(digits: Dataset, view: ViewConfig, sub_steps: bool) -> None:
    run = begun(digits, 4, sub_steps=sub_steps)
    shown = picture(run, view, 4)
    assert shown is not None
    assert_panels(shown.panels, run, view)
    assert len(shown.panels[1].depths) == len(shown.panels[1].frame_names) == (17 if sub_steps else 5)


@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.view)
def test_blocks_that_arrive_are_drawn_as_if_all_had_been_there(digits: Dataset, view: ViewConfig) -> None:
    """Looked at after every block, the picture is the one of all that is there, to the bit."""
    run = Run(digits, CONFIG)
    run.full = Trajectory(sub_steps=True)
    drawing = Drawing(run, view)
    for step in unroll(digits.Y, CONFIG):
        run.full.take(step)
        if step.ends_block:
            shown = picture(run, view, step.block, drawing)
            assert shown is not None
            assert_panels(shown.panels, run, view)


@pytest.mark.parametrize(("view", "anew"), [("axes", 0), ("pca", 0), ("aligned-pca", 0), ("fixed-pca", 3)])
def test_a_new_block_alone_is_drawn_anew(
    digits: Dataset, view: str, anew: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the view "fixed-pca" all are, while its block is yet to come."""
    asked: list[int] = []
    frames_of = Trajectory.frames_of
    monkeypatch.setattr(
        Trajectory,
        "frames_of",
        lambda self, config, blocks: frames_of(self, config, [asked.append(b) or b for b in blocks]),  # type: ignore[func-returns-value]
    )
    chosen = ViewConfig(view=view, view_block=2)
    run = begun(digits, 1)
    whole = begun(digits, 4).full
    drawing = Drawing(run, chosen)
    picture(run, chosen, 1, drawing)
    assert asked == [0, 1]
    for block in (2, 3, 4):
        asked.clear()
        run.full.latents.append(whole.latents[block])
        run.full.attention.append(whole.attention[block - 1])
        picture(run, chosen, block, drawing)
        assert asked == list(range(0 if block == 2 and anew else block, block + 1))
        asked.clear()
        picture(run, chosen, block, drawing)
        assert asked == []


def test_a_picture_holds_one_frame_of_latents_at_a_time(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sub-steps that are computed anew, 2 L arrays (n, q), took as much memory as the run when held together."""
    seen: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []
    draw = Projector.__call__

    def watched(self: Projector, X: np.ndarray) -> np.ndarray:
        seen.append(weakref.ref(X))
        alive.append(sum(found() is not None and all(found() is not kept for kept in held) for found in seen))
        return draw(self, X)

    run = begun(digits, 4)
    held = [*run.full.latents, run.full.start]
    monkeypatch.setattr(Projector, "__call__", watched)
    picture(run, ViewConfig(view="pca"), 4)
    assert len(seen) == 1 + 17
    assert max(alive) <= 2  # the frame that is drawn, and for a moment the one before


def test_sub_steps_are_bounded_by_points_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shows_sub_steps(10_000, 8, 128)
    assert shows_sub_steps(70_000, 8, 128)
    assert not shows_sub_steps(62_500, 32, 128)  # 1 GB of latents after attention
    assert shows_sub_steps(62_500, 32, 64)
    assert not shows_sub_steps(62_500, 32, 64 + 8)
    assert not shows_sub_steps(62_500, 32, 64, bytes_each=8)
    assert not shows_sub_steps(62_501, 32, 2)  # more points than a browser takes
    monkeypatch.setattr(run_cost, "_MAX_BYTES", 300 * 8 * 4 * 4)
    run = Run(load("digits", 300), CONFIG)
    run.owners.add("a")
    run.work()
    assert len(run.full.attention) == 4
    monkeypatch.setattr(run_cost, "_MAX_BYTES", 300 * 8 * 4 * 4 - 1)
    run = Run(load("digits", 300), CONFIG)
    run.owners.add("a")
    run.work()
    assert run.full.attention == []
    assert len(run.full.latents) == 5


def test_a_preview_says_which_blocks_are_there(digits: Dataset) -> None:
    """At the last block the preview stays; at a block that is complete all tokens are drawn."""
    run = begun(digits, 2)
    index = np.arange(0, 300, 3)
    preview = Trajectory()
    for step in unroll(digits.Y[index], CONFIG):
        preview.take(step)
    run.preview, run.preview_index = preview, index
    view = ViewConfig()
    for depth in (4, 2.5, 3):
        shown = picture(run, view, depth)
        assert shown is not None
        assert shown.visible is not None
        np.testing.assert_array_equal(np.flatnonzero(shown.visible), index)
        assert reachable(shown) == "Blocks 0–2 of all tokens are complete: drag there to see them."
        np.testing.assert_array_equal(shown.panels[1].frames[4][index], preview.latents[4][:, :2])
    there = picture(run, view, 2)
    assert there is not None
    assert there.visible is None
    assert reachable(there) == ""
    assert_panels(there.panels, run, view)
    run.full = begun(digits, 0).full
    first = picture(run, view, 4)
    assert first is not None
    assert reachable(first) == "Block 0 of all tokens is complete: drag there to see it."
    run.full = Trajectory()
    none_yet = picture(run, view, 4)
    assert none_yet is not None
    assert none_yet.is_preview
    assert reachable(none_yet) == ""
