"""The explorer's views, presets, curves, preview and attended tokens in a real browser, against the model."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dr_transformer import Config, load, unroll
from dr_transformer.charts.depth import depth_range
from dr_transformer.model.attention import attention_rows
from dr_transformer.quality.metrics import knn_accuracy
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL, assert_drawn, curve_values
from tests.helpers import plain_views

CONFIG = Config(n_components=16, n_blocks=4)


def sub_steps() -> list[np.ndarray]:
    """Block 0, then every sub-step."""
    return [step.X.numpy() for step in unroll(load("mnist", 600).Y, CONFIG)][1:]


def latents() -> list[np.ndarray]:
    return [step.X.numpy() for step in unroll(load("mnist", 600).Y, CONFIG) if step.ends_block]


def test_every_view_draws_its_plane(open_app: Callable[..., Canvas]) -> None:
    X = sub_steps()
    canvas = open_app(**SMALL)
    page = canvas.page
    expected = {
        "PCA of this block": plain_views.pca_view(X),
        "PCA of one block": plain_views.fixed_pca_view(X, 16),
        "PCA, aligned": plain_views.aligned_pca_view(X),
    }
    for choice, frames in expected.items():
        uploads = canvas.get("c.stats.uploads")
        page.get_by_role("radio", name=choice).click()
        canvas.wait(f"c.stats.uploads > {uploads} && c.computed === 4")
        expect(page.locator(".title").nth(1)).to_contain_text("principal")
        assert_drawn(canvas, 1, frames[16], [frames[16]])
        assert canvas.get("c.depth") == 4
        canvas.get("c.setDepth(1.5)")
        assert_drawn(canvas, 1, frames[5], [frames[5]])
        canvas.get("c.setDepth(4)")
    expect(page).to_have_url(re.compile("view=aligned-pca"))


def test_any_pair_of_axes(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(first_axis=5, second_axis=3, **SMALL)
    assert_drawn(canvas, 1, latents()[4][:, [5, 3]], [latents()[4][:, [5, 3]]])
    expect(canvas.page.locator(".x-axis .axis-label").nth(1)).to_have_text("latent axis 5")


def test_curves_show_the_figures_at_the_depth(open_app: Callable[..., Canvas]) -> None:
    """While the depth is dragged, too; and a press on the curves moves the picture."""
    canvas = open_app(depth=2, **SMALL)
    page = canvas.page
    labels = load("mnist", 600).labels
    assert labels is not None
    accuracies = [knn_accuracy(X, labels) for X in latents()]
    marks = page.locator(".depth-mark")
    expect(marks).to_have_count(4)
    expect(marks.nth(0).locator("text")).to_have_text(f"{accuracies[2]:.3f}")
    canvas.get("c.setDepth(3.75)")
    canvas.next_frame()
    assert float(curve_values(page)[0]) == pytest.approx(np.interp(3.75, range(5), accuracies), abs=5.01e-4)
    area = page.locator(".st-key-depth_curves .nsewdrag").nth(1)
    box = area.bounding_box()
    line = marks.nth(1).locator("line").bounding_box()
    assert box is not None
    assert line is not None
    low, high = depth_range(4)
    share = (3.75 - low) / (high - low)
    assert abs(line["x"] + line["width"] / 2 - (box["x"] + share * box["width"])) < 1.5
    page.mouse.click(box["x"] + (1 - low) / (high - low) * box["width"], box["y"] + 20)
    canvas.next_frame()
    assert abs(canvas.get("c.depth") - 1) < 0.05
    depth = canvas.get("c.depth")
    assert float(curve_values(page)[0]) == pytest.approx(np.interp(depth, range(5), accuracies), abs=5.01e-4)
    expect(page).to_have_url(re.compile(r"depth=(1|0\.9)"))


def test_a_preset_is_one_click(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    canvas.page.get_by_role("button", name="Shallow", exact=True).click()
    expect(canvas.page).to_have_url(re.compile(r"\?n_samples=600&n_blocks=2$"))
    expect(canvas.page.get_by_text("2 blocks in")).to_be_visible()
    expected = [s.X[:, :2].numpy() for s in unroll(load("mnist", 600).Y, Config(n_blocks=2)) if s.ends_block]
    canvas.wait("c.computed === 2 && c.depth === 2")
    assert_drawn(canvas, 1, expected[2], [expected[2]])


def test_a_clicked_token_shows_whom_it_attends_to(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    page = canvas.page
    page.get_by_label("Find tokens").or_(page.get_by_placeholder("label or #index")).first.fill("#123")
    page.keyboard.press("Enter")
    canvas.wait("c.pinned === 123 && c.attended && c.attended.length > 0")
    for depth in (4, 1):
        canvas.get(f"c.setDepth({depth})")
        A = attention_rows(torch.from_numpy(latents()[depth]), torch.tensor([123]), alpha=30.0)[0]
        weights, indices = torch.topk(A, 8)
        canvas.wait(f"c.attended[0].index === {int(indices[0])}")
        shown = canvas.get("c.attended")
        assert [entry["index"] for entry in shown] == indices.tolist()
        np.testing.assert_allclose([entry["weight"] for entry in shown], weights, rtol=1e-4)


def test_colour_by_what_is_measured_then(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    names = canvas.page.locator("select option")
    expect(names.filter(has_text="share of 10 pixel neighbours kept")).to_have_count(1, timeout=60_000)
    expect(canvas.page.get_by_text("measuring …")).to_have_count(0, timeout=60_000)
    assert canvas.get("c.colouring") == "class"  # nobody has asked for another
    choice = canvas.page.get_by_label("Colour by")
    choice.select_option("share of 10 pixel neighbours kept")
    expect(choice).to_have_value("share of 10 pixel neighbours kept")  # said at once, and drawn when it is there
    canvas.wait('c.colouring === "share of 10 pixel neighbours kept"')
    # Of another run it is not there at once; then the choice holds again.
    uploads = canvas.get("c.stats.uploads")
    canvas.page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    expect(canvas.page).to_have_url(re.compile("alpha=31"))
    canvas.wait(f"c.stats.uploads > {uploads}")
    canvas.wait('c.colouring === "share of 10 pixel neighbours kept"')


@pytest.mark.slow
def test_a_large_run_shows_a_preview_first(open_app: Callable[..., Canvas]) -> None:
    """Of 10 000 tokens 2 000 are drawn first, at the last block, and said to be a preview.

    The blocks that all tokens have passed are named meanwhile, and there all of them are drawn.
    """
    canvas = open_app(wait_for_all=False, alpha=29, n_blocks=24)
    expect(canvas.page.get_by_text("Preview: 2\u202f000 of the 10\u202f000 tokens")).to_be_visible()
    assert canvas.get("c.depth") == 24
    assert canvas.get("c.visible") == 2000
    expect(canvas.page.get_by_text(re.compile("of all tokens (are|is) complete: drag there"))).to_be_visible()
    canvas.get("c.setDepth(0)")
    canvas.wait("c.visible === 10000 && c.depth === 0")
    canvas.get("c.setDepth(24)")  # or as far as they have come
    expect(canvas.page.get_by_text("10\u202f000 tokens · 24 blocks in")).to_be_visible(timeout=120_000)
    canvas.wait("c.visible === 10000 && c.computed === 24")
    expect(canvas.page.get_by_text("complete: drag there")).to_have_count(0)
    canvas.get("c.setDepth(24)")
    deep = Config(alpha=29, n_blocks=24)
    expected = [s.X[:, :2].numpy() for s in unroll(load("mnist").Y, deep) if s.ends_block]
    assert_drawn(canvas, 1, expected[24], [expected[24]])


def test_three_dimensions_hold_the_block_at_rest(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(three_d="true", depth=2, **SMALL)
    expect(canvas.page.get_by_role("heading", name="Block 2 in three dimensions")).to_be_visible()
    read = """() => {
      const plots = [...document.querySelectorAll('.js-plotly-plot:not([data-copy])')];
      const traces = plots.flatMap((plot) => plot._fullData ?? []).filter((trace) => trace.type === 'scatter3d');
      return traces.map((t) => [...t.customdata].map((i, k) => [i, t.x[k], t.y[k], t.z[k]]));
    }"""
    canvas.page.wait_for_function(f"() => ({read})().length === 10")
    rows = np.concatenate(canvas.page.evaluate(read))
    drawn = rows[np.argsort(rows[:, 0]), 1:]
    np.testing.assert_allclose(drawn, latents()[2][:, :3], rtol=1e-6)
