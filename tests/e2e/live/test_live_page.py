"""A page that runs its model itself, from a file and without any network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from dr_transformer import Config, load, show, unroll
from dr_transformer.canvas.source import source
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.run import Run
from dr_transformer.export.pages.live_page import live_page
from dr_transformer.model.attention import attention_rows
from dr_transformer.quality import metrics
from tests.e2e.canvas import canvas_page
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.canvas.test_web_page import SavedPage
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.live.test_live_app import drag

N, BASE = 700, Config(n_components=32, n_blocks=3)


def made(dataset: Dataset, config: Config) -> bytes:
    run = Run(dataset, config)
    run.owners.add("test")
    run.work()
    assert run.error is None
    return live_page(run, ViewConfig())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "live.html"
    path.write_bytes(made(load("mnist", N), BASE))
    return path


@pytest.fixture
def offline(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr(canvas_page, "FIND", "document.querySelector('.latent-canvas')?.latentCanvas")
    with browser.new_context(viewport={"width": 1440, "height": 900}, offline=True) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page


@pytest.fixture
def opened(offline: Page, file: Path) -> Iterator[SavedPage]:
    saved = SavedPage(offline, file)
    saved.wait("c.playing")  # it opens by itself, once
    offline.keyboard.press("Escape")
    saved.wait("!c.playing && c.depth === 3")
    yield saved
    assert [url for url in saved.requests if not url.startswith(("blob:", file.as_uri()))] == []
    assert saved.complaints == []
    assert saved.errors == []


def settled(canvas: Canvas) -> None:
    """Wait for the picture of all tokens, and for what is said of it."""
    canvas.wait(f"c.live?.m === {N} && !c.live.gliding")
    expect(canvas.page.locator("#description")).to_contain_text("directions")


def assert_is(canvas: Canvas, config: Config) -> None:
    """The last block on screen, of all tokens, is that of `unroll` in float64."""
    data = load("mnist", N)
    *_, last = unroll(data.Y.astype(np.float64) / 255, config)
    expected = last.X[:, :2].numpy()
    found = canvas.array("c.positions(1)")
    assert np.abs(found - expected).max() <= 2e-4 * np.abs(expected).max()


def fill(canvas: Canvas, name: str, value: Any) -> None:
    field = canvas.page.locator(f".model input[name={name}]")
    field.fill(str(value))
    field.press("Enter")


@pytest.mark.slow
def test_everything_in_it_is_live(opened: SavedPage) -> None:
    page = opened.page
    assert_is(opened, BASE)
    drag(opened, [0.5, 0.45, 0.4])
    page.mouse.up()
    settled(opened)
    alpha = opened.get("c.live.values.alpha")
    assert 5 < alpha < 20
    changed = {"n_components": 32, "n_blocks": 3, "alpha": alpha}
    assert_is(opened, Config(**changed))

    page.locator("input[name=graph_diffusion]").check()
    fill(opened, "n_heads", 2)
    fill(opened, "random_state", 7)
    fill(opened, "n_blocks", 4)
    opened.wait("c.depth === 4")
    settled(opened)
    changed |= {"graph_diffusion": True, "n_heads": 2, "random_state": 7, "n_blocks": 4}
    config = Config(**changed)
    assert_is(opened, config)
    Y = load("mnist", N).Y.astype(np.float64) / 255
    scores, *steps = list(unroll(Y, config))
    found = opened.array("c.positions(0)")
    assert np.abs(found - scores.X[:, :2].numpy()).max() <= 1e-4 * np.abs(found).max()
    fill(opened, "n_heads", 3)
    expect(page.get_by_role("alert")).to_have_text("3 heads do not divide 32 latent dimensions evenly.")

    last = steps[-1].X
    rank, cosine = metrics.effective_rank(last.numpy()), metrics.mean_cosine(last.numpy())
    expect(page.locator("#description")).to_contain_text(f"{rank:.1f} matter")
    expect(page.locator("#description")).to_contain_text(f"the mean cosine of two tokens is {cosine:.2f}")

    page.get_by_placeholder("label or #index").fill("#5")
    page.get_by_placeholder("label or #index").press("Enter")
    opened.wait("c.pinned === 5 && c.attended.length === 10")
    A = attention_rows(last, torch.tensor([5]), alpha=alpha, n_heads=2, mask_self=True)[0].numpy()
    attended = opened.get("c.attended")
    assert [each["index"] for each in attended] == np.argsort(-A, kind="stable")[:10].tolist()
    np.testing.assert_allclose([each["weight"] for each in attended], np.sort(A)[::-1][:10], rtol=1e-3)

    link = page.url
    assert "random_state=7" in link
    page.goto("about:blank")
    again = Canvas(page, link)
    settled(again)
    assert_is(again, config)


@pytest.mark.slow
def test_tokens_that_are_no_images_bring_their_first_latents(offline: Page, tmp_path: Path) -> None:
    data = load("digits", 200)
    table = replace(data, Y=data.Y.astype(np.float64), image_shape=None)
    file = tmp_path / "table.html"
    config = Config(n_components=8, n_blocks=2)
    file.write_bytes(made(table, config))
    canvas = SavedPage(offline, file)
    assert offline.locator(".model input[name=random_state]").count() == 0
    offline.locator("input[name=mask_self]").uncheck()
    canvas.wait("c.live?.m === 200")
    *_, last = unroll(table.Y, Config(n_components=8, n_blocks=2, mask_self=False))
    expected = last.X[:, :2].numpy()
    assert np.abs(canvas.array("c.positions(1)") - expected).max() <= 2e-4 * np.abs(expected).max()


def test_numbers_of_the_page_are_numpy_s(offline: Page) -> None:
    script = source(("live/random.js", "live/measures.js"))
    offline.set_content("<title>numbers</title>")
    names = "gaussianProjection, effectiveRank, meanCosine, eigenvalues"
    offline.add_script_tag(content=f"{script};Object.assign(window, {{ {names} }});")
    for seed in (0, 42, 2**32 - 1):
        found = offline.evaluate("(seed) => [...gaussianProjection(784, 6, seed)]", seed)
        wanted = np.random.RandomState(seed).normal(size=(784, 6)) / np.sqrt(784)
        np.testing.assert_allclose(np.reshape(found, (784, 6)), wanted, rtol=0, atol=1e-12)
    X = np.random.default_rng(3).normal(size=(90, 40)) @ np.diag(0.8 ** np.arange(40))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    rank, cosine = offline.evaluate("(X) => [effectiveRank(X, 40), meanCosine(X, 40)]", X.ravel().tolist())
    assert rank == pytest.approx(metrics.effective_rank(X), rel=1e-9)
    assert cosine == pytest.approx(metrics.mean_cosine(X), rel=1e-9)
    for size in (1, 2, 5, 64):
        A = np.random.default_rng(size).normal(size=(size, size))
        A = A + A.T
        found = offline.evaluate("([A, n]) => [...eigenvalues(Float64Array.from(A), n)]", [A.ravel().tolist(), size])
        np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(A), atol=1e-11 * max(1, size))


def test_it_runs_in_the_frame_of_a_notebook(offline: Page, tmp_path: Path) -> None:
    """A frame has no address, no storage and no clipboard, and sees nothing of what is around it."""
    file = tmp_path / "notebook.html"
    file.write_text(f"<h1>A notebook</h1>{show(n_samples=N, n_blocks=3, n_components=32)._repr_html_()}", "utf-8")
    errors: list[str] = []
    offline.on("pageerror", lambda error: errors.append(str(error)))
    offline.goto(file.as_uri())
    frame = offline.frames[1]
    alpha = frame.get_by_role("spinbutton", name="Logit diagonal α")
    alpha.fill("5")
    alpha.press("Enter")
    live = "document.querySelector('.latent-canvas').latentCanvas.live"
    frame.wait_for_function(f"() => {live}?.values.alpha === 5 && {live}.m === {N} && !{live}.gliding")
    expect(frame.locator("#description")).to_contain_text("directions")
    found = np.array(frame.evaluate("() => [...document.querySelector('.latent-canvas').latentCanvas.positions(1)]"))
    data = load("mnist", N)
    *_, last = unroll(data.Y.astype(np.float64) / 255, Config(n_blocks=3, n_components=32, alpha=5))
    expected = last.X[:, :2].numpy()
    assert np.abs(found.reshape(-1, 2) - expected).max() <= 2e-4 * np.abs(expected).max()
    assert errors == []
