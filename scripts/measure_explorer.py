"""Measure the explorer in real Chromium and print a table: first frame, frames a second, times, bytes, heap.

    python scripts/measure_explorer.py

The numbers are this machine's; nothing is tested here. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e.canvas_page import SCRIPT, Canvas  # noqa: E402
from tests.e2e.conftest import FLAGS  # noqa: E402
from tests.e2e.explorer_page import APP  # noqa: E402
from tests.servers import free_port, serve  # noqa: E402

SWEEP = """([seconds]) => new Promise((done) => {
  const c = %s, top = c.computed, began = performance.now(), before = c.stats.draws;
  const step = (now) => {
    const t = (now - began) / 1000;
    if (t > seconds) return done((c.stats.draws - before) / t);
    c.setDepth(top * (0.5 - 0.5 * Math.cos(2 * t)));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


class Traffic:
    """Bytes that the server sent over the page's web socket."""

    def __init__(self, page: Page) -> None:
        self.received = 0
        page.on("websocket", lambda socket: self._listen(socket))

    def _listen(self, socket: WebSocket) -> None:
        def count(payload: bytes | str) -> None:
            self.received += len(payload)

        socket.on("framereceived", count)


def frames_per_second(browser: Browser, url: str, n: int) -> float:
    """Frames drawn in a second of a continuous sweep of depth; two panels, so two draws a frame."""
    from tests.e2e.canvas_page import FIND

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    canvas = Canvas(page, f"{url}/?n={n}&style=real")  # the size and opacity that so many points get
    canvas.wait("c.computed === 8")
    draws = page.evaluate(SWEEP % FIND, [4])
    panels = canvas.get("c.frames").count(9)  # the static panel is not drawn again
    page.close()
    return float(draws / panels)


def change_alpha(canvas: Canvas, alpha: int) -> tuple[float, float]:
    """Seconds from releasing the slider to the first new picture, and to the picture of all tokens."""
    uploads = canvas.get("c.stats.uploads")
    began = time.perf_counter()
    canvas.page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    canvas.wait(f"c.stats.uploads > {uploads}")
    first = time.perf_counter() - began
    canvas.page.wait_for_url(re.compile(f"alpha={alpha}"))
    canvas.page.get_by_text(re.compile("tokens · 8 blocks in")).wait_for(timeout=120_000)
    canvas.wait("c.visible === 10000")
    return first, time.perf_counter() - began


def heap(page: Page) -> float:
    """Megabytes of JavaScript heap after a collection."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    metrics = client.send("Runtime.getHeapUsage")
    return float(metrics["usedSize"]) / 2**20


def explorer(browser: Browser, url: str, say: Callable[[str, str], None]) -> None:
    """The explorer itself at the paper's setting."""
    for visit in ("first visit of this server", "second visit"):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        traffic = Traffic(page)
        began = time.perf_counter()
        canvas = Canvas(page, url)
        say(f"navigation to first drawn frame, {visit}", f"{time.perf_counter() - began:.2f} s")
        page.get_by_text(re.compile("tokens · 8 blocks in")).wait_for()
        canvas.wait("c.visible === 10000")
        page.get_by_text("measuring …").wait_for(state="detached")
        say("bytes received until all is there", f"{traffic.received / 1e6:.2f} MB")
        if visit == "second visit":
            break
        page.close()
    before = traffic.received
    page.get_by_role("slider", name="Seed").or_(page.get_by_label("Seed")).first.focus()
    canvas.get("c.setDepth(4)")
    page.wait_for_url(re.compile("depth=4"))
    page.wait_for_timeout(1000)
    say("bytes received for a rerun with the same data", f"{traffic.received - before} B")
    times = [change_alpha(canvas, alpha) for alpha in range(31, 34)]
    say("release of α to first repaint (preview), median of 3", f"{statistics.median(t[0] for t in times):.2f} s")
    say("release of α to all 10 000 tokens, median of 3", f"{statistics.median(t[1] for t in times):.2f} s")
    page.close()


def heap_after_changes(browser: Browser, url: str, say: Callable[[str, str], None]) -> None:
    """Two hundred changes of η at n = 500."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    canvas = Canvas(page, f"{url}/?n_samples=500&n_blocks=2&n_components=8&eta=0.1")
    slider = page.get_by_role("slider", name="Learning rate η")
    sizes = [heap(page)]
    eta = 10
    for change in range(200):
        up = change % 40 < 20
        eta += 1 if up else -1
        slider.press("ArrowRight" if up else "ArrowLeft")
        page.wait_for_url(re.compile(f"eta={eta / 100:g}(&|$)"))
        canvas.wait("c.computed === 2")
        if (change + 1) % 50 == 0:
            sizes.append(heap(page))
    say("JavaScript heap at 0, 50, 100, 150, 200 changes", ", ".join(f"{size:.1f}" for size in sizes) + " MB")
    page.close()


def main() -> None:
    """Print the table."""

    def say(what: str, value: str) -> None:
        print(f"{what:<58} {value}", flush=True)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for script, measure in ((APP, explorer), (APP, heap_after_changes)):
            port = free_port()
            command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
            with serve([*command, f"--server.port={port}"], port, cwd=ROOT) as url:
                measure(browser, url, say)
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(SCRIPT), "--server.headless=true"]
        with serve([*command, f"--server.port={port}"], port, cwd=ROOT) as url:
            for n in (10_000, 70_000):
                say(f"frames a second while depth is swept, n = {n}", f"{frames_per_second(browser, url, n):.0f}")
        browser.close()


if __name__ == "__main__":
    main()
