"""α and η in the explorer: while one is dragged the browser answers by itself; then comes the exact run."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.canvas.live import balanced_order
from dr_transformer.quality import metrics
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import assert_drawn, curve_values, frames
from tests.e2e.explorer.measure import Traffic

SETTINGS = {"n_samples": 4000, "n_components": 16, "n_blocks": 4}
N = SETTINGS["n_samples"]


def slider(canvas: Canvas, name: str = "alpha") -> tuple[float, float, float]:
    """Left end, width and height on the page of a slider's track."""
    box = canvas.page.locator(f".live-slider[data-name={name}] input[type=range]").bounding_box()
    assert box is not None
    return box["x"], box["width"], box["y"] + box["height"] / 2


def drag(canvas: Canvas, shares: list[float], name: str = "alpha") -> None:
    """Press on a slider and move along it; the button stays down. Each step waits for a picture."""
    left, width, y = slider(canvas, name)
    mouse = canvas.page.mouse
    for i, share in enumerate(shares):
        before = canvas.get("c.live?.count ?? 0")
        mouse.move(left + width * share, y)
        if i == 0:
            mouse.down()
        canvas.wait(f"(c.live?.count ?? 0) > {before}")


def live_latents(config: Config, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens the sample of m has, and their last latents by `unroll` in float64, in the scale of all."""
    data = load("mnist", N)
    assert data.labels is not None
    index = balanced_order(data.labels, 2000, config.random_state)[:m]
    *_, last = unroll(data.Y[index].astype(np.float64), config)
    return index, last.X.numpy() * (m / N) ** 0.5


@pytest.mark.slow
def test_a_drag_is_answered_in_the_browser_and_then_by_the_exact_run(
    page: Page, open_app: Callable[..., Canvas]
) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(payload)))
    traffic = Traffic(page)
    canvas = open_app(**SETTINGS)
    expect(page.get_by_text("drag α or η: the picture follows, in your browser")).to_be_visible()
    canvas.get("c.zoomAt(1, 50, 60, 2)")
    canvas.get("c.select([3, 5, 8])")
    page.wait_for_timeout(1500)  # what came to rest is told
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    view = canvas.get("c.view(1)")
    sent.clear()

    drag(canvas, [0.55, 0.5, 0.45, 0.4])
    assert sent == []
    expect(page.get_by_text(re.compile(r"live: [\d\u202f]+ tokens among themselves, in your browser"))).to_be_visible()
    typed = page.get_by_role("spinbutton", name="Logit diagonal α")
    canvas.wait(f"c.live.values.alpha === {float(typed.input_value())}")  # the newest wins
    live = canvas.get("c.live")
    assert 300 <= live["m"] <= 2000
    config = Config(n_components=16, n_blocks=4, alpha=live["values"]["alpha"])
    index, latents = live_latents(config, live["m"])
    expected = latents[:, :2]
    found = canvas.array("c.positions(1)")[index]
    assert np.abs(found - expected).max() <= 2e-4 * np.abs(expected).max()  # float32, and 1/65534 of the extent
    assert canvas.get("c.visible") == live["m"]
    page.wait_for_function("() => document.querySelectorAll('.depth-mark text')[3]?.textContent !== '…'")
    accuracy, nmi, rank, cosine = curve_values(page)
    assert (accuracy, nmi) == ("…", "…")  # of other settings, and not measured in the browser
    assert float(rank) == pytest.approx(metrics.effective_rank(latents), abs=0.06)
    assert float(cosine) == pytest.approx(metrics.mean_cosine(latents), abs=0.006)

    with traffic.of() as received:
        page.mouse.up()
        canvas.wait("c.computed === 4 && c.live === null", 90_000)
    assert received["frames"] < 1.2 * canvas.get("c.bytes"), received  # the exact picture, and none before it
    _, blocks = frames(config, N)
    assert_drawn(canvas, 1, blocks[4], [blocks[4]])
    assert canvas.get("c.visible") == N
    expect(page).to_have_url(re.compile(f"alpha={config.alpha:g}"))
    after = canvas.get("c.view(1)")
    assert {k: after[k] for k in ("zoom", "panX", "panY")} == {k: view[k] for k in ("zoom", "panX", "panY")}
    assert canvas.get("c.selection") == [3, 5, 8]
    assert canvas.errors == []


def test_there_and_back_is_the_exact_picture_again_and_nothing_is_asked(
    page: Page, open_app: Callable[..., Canvas]
) -> None:
    canvas = open_app(**SETTINGS)
    _, blocks = frames(Config(n_components=16, n_blocks=4), N)
    left, width, y = slider(canvas)
    share = float(np.log(30) / np.log(300))
    drag(canvas, [0.5, 0.4])
    page.mouse.move(left + 8 + (width - 16) * share, y)
    canvas.wait("c.live.values.alpha === 30")
    page.mouse.up()
    canvas.wait("c.live === null")
    assert_drawn(canvas, 1, blocks[4], [blocks[4]])
    assert "alpha" not in page.url


def test_typing_keys_reset_and_play(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(n_samples=600, n_components=16, n_blocks=4)
    page = canvas.page
    number = page.get_by_role("spinbutton", name="Learning rate η")
    number.fill("0.123")
    number.press("Enter")
    expect(page).to_have_url(re.compile("eta=0.123"))
    number.fill("")
    number.press("Enter")
    expect(number).to_have_value("0.123")
    number.fill("7")
    number.press("Enter")
    expect(number).to_have_value("1")  # the end of the slider
    page.get_by_role("button", name="Back to the paper's η = 0.4").click()
    expect(number).to_have_value("0.4")
    expect(page).not_to_have_url(re.compile("eta="))
    alpha = page.get_by_role("slider", name="Logit diagonal α")
    for key in ("ArrowRight", "ArrowRight", "PageDown"):
        alpha.press(key)
    expect(page).to_have_url(re.compile("alpha=22"))
    page.get_by_role("button", name="Animate α from here to 300").click()
    canvas.wait("c.live !== null && c.live.values.alpha > 30")
    page.get_by_role("button", name="Stop α here").click()
    stopped = page.get_by_role("spinbutton", name="Logit diagonal α").input_value()
    expect(page).to_have_url(re.compile(f"alpha={stopped}"))
    canvas.wait("c.computed === 4")
    _, blocks = frames(Config(n_components=16, n_blocks=4, alpha=float(stopped)), 600)
    assert_drawn(canvas, 1, blocks[4], [blocks[4]])


def test_what_the_browser_cannot_run_comes_once_the_hand_rests(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(n_samples=600, n_components=16, n_blocks=4, view="pca")
    page = canvas.page
    page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    expect(page).to_have_url(re.compile("alpha=31"))
    canvas.wait("c.computed === 4")
    assert canvas.get("c.live") is None


def test_a_browser_without_simd_says_so_and_the_server_answers(page: Page, open_app: Callable[..., Canvas]) -> None:
    page.add_init_script("WebAssembly.validate = () => false")
    canvas = open_app(n_samples=600, n_components=16, n_blocks=4)
    expect(page.get_by_text("this browser cannot run the model itself (it has no WebAssembly SIMD)")).to_be_visible()
    page.get_by_role("slider", name="Learning rate η").press("ArrowLeft")
    expect(page).to_have_url(re.compile("eta=0.39"))
    canvas.wait("c.computed === 4")
    _, blocks = frames(Config(n_components=16, n_blocks=4, eta=0.39), 600)
    assert_drawn(canvas, 1, blocks[4], [blocks[4]])


@pytest.mark.slow
def test_a_preset_goes_before_what_the_hand_left(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SETTINGS)
    page = canvas.page
    drag(canvas, [0.5, 0.3])
    page.mouse.up()
    page.get_by_role("button", name="Huge α", exact=True).click()
    expect(page.get_by_role("spinbutton", name="Logit diagonal α")).to_have_value("300")
    canvas.wait("c.computed === 8", 90_000)
    assert canvas.get("c.live") is None
