"""Measures the explorer in a browser: what the server sends, and of what; frames under the mouse; times; memory."""

from __future__ import annotations

import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import numpy as np
from playwright.sync_api import Page, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dr_transformer import load
from dr_transformer.config import PARAMETERS
from tests.e2e.canvas.canvas_page import FIND, Canvas

PATIENCE_MS = 600_000  # a large run on a slow machine; pytest has a limit of its own
CODE = "the components' code"
KINDS = {
    "latent_canvas": "frames",
    "canvas_extras": "colourings",
    "digit_sprites": "images",
    "live_tokens": "live tokens",
}
"""What the app's larger components are sent."""


class Traffic:
    """Bytes that the server sent over the page's web socket, by kind: see `kinds_of`."""

    def __init__(self, page: Page) -> None:
        self.by_kind: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        page.on("websocket", self._listen)

    @property
    def received(self) -> int:
        """All bytes so far."""
        return self.by_kind.total()

    def _listen(self, socket: WebSocket) -> None:
        def count(payload: bytes | str) -> None:
            kinds = {"text": len(payload)} if isinstance(payload, str) else kinds_of(payload)
            self.by_kind.update(kinds)
            self.messages.update(kinds.keys())

        socket.on("framereceived", count)

    @contextmanager
    def of(self) -> Iterator[Counter[str]]:
        """Counts what is received within the block, by kind; filled at its end."""
        before, found = Counter(self.by_kind), Counter[str]()
        yield found
        found.update(self.by_kind - before)


def kinds_of(payload: bytes) -> dict[str, int]:
    """What one message of Streamlit's is made of, in bytes, which sum to its length.

    A "reference" names an element that the browser has by its hash. Code, the joined JavaScript and style of a
    component, comes with each of its messages.
    """
    message = ForwardMsg()
    message.ParseFromString(payload)
    kind = message.WhichOneof("type") or "nothing"
    if kind == "ref_hash":
        return {"references": len(payload)}
    if kind != "delta":
        return {kind: len(payload)}
    change = message.delta.WhichOneof("type")
    if change != "new_element":
        return {"containers" if change == "add_block" else str(change): len(payload)}
    element = str(message.delta.new_element.WhichOneof("type"))
    if element != "bidi_component":
        return {element: len(payload)}
    component = message.delta.new_element.bidi_component
    code = len(component.js_content.encode()) + len(component.css_content.encode())
    name = component.component_name.rsplit(".", 1)[-1]
    return {CODE: code, KINDS.get(name, name): len(payload) - code}


class Heap(NamedTuple):
    """Megabytes that the page's JavaScript holds after a collection: its objects, and the memory of its arrays."""

    objects: float
    arrays: float

    def __str__(self) -> str:
        return f"{self.objects:.1f} + {self.arrays:.1f}"


def heap(page: Page) -> Heap:
    """What the page holds now. The frames' bytes are in arrays, which the size of the heap leaves out."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    usage = client.send("Runtime.getHeapUsage")
    client.detach()
    return Heap(usage["usedSize"] / 2**20, usage["backingStorageSize"] / 2**20)


def opened(page: Page, url: str) -> tuple[Canvas, float]:
    """The explorer at a link, and the seconds from navigation to its first drawn frame."""
    page.set_default_timeout(PATIENCE_MS)
    began = time.perf_counter()
    canvas = Canvas(page, url)
    return canvas, time.perf_counter() - began


def all_is_there(canvas: Canvas, n_samples: int, *, measured: bool = True) -> None:
    """Wait until all tokens are drawn at all blocks, and, if asked, measured, and the page is at rest."""
    page = canvas.page
    _until_said(page, _done(n_samples), some=True)
    # The line may still be that of the run before, while the picture is already of the first blocks of this one.
    blocks = int(_of_link(page, "n_blocks"))
    canvas.wait(f"c.visible === {n_samples} && c.positions(1).length === {2 * n_samples} && c.computed === {blocks}")
    if measured:
        _until_said(page, "measuring …$", some=False)
        _at_rest(page)


class Sent:
    """Counts the messages that the page sends over its web sockets."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        page.on("websocket", lambda socket: socket.on("framesent", self._heard))

    def _heard(self, _payload: bytes | str) -> None:
        self.count += 1


class Drag(NamedTuple):
    """Pictures a second while a slider was dragged, milliseconds from pointer to picture, messages to the server."""

    rate: float
    delay: float
    late: float  # nine of ten are sooner
    messages: int


def warm_up_live(canvas: Canvas) -> None:
    """Drag α until the browser has compiled what it will, and let what comes of it come to rest."""
    if canvas.page.get_by_test_id("stApp").count():
        canvas.wait("c.computed === 8", PATIENCE_MS)
        _until_said(canvas.page, "measuring …$", some=False)
    canvas.page.wait_for_timeout(3000)
    with _held(canvas) as move:
        for step in range(60):
            move(step)
            canvas.page.wait_for_timeout(30)
    if canvas.page.get_by_test_id("stApp").count():
        canvas.wait("c.computed === 8", PATIENCE_MS)
        _until_said(canvas.page, "measuring …$", some=False)
    canvas.page.wait_for_timeout(2000)


@contextmanager
def _held(canvas: Canvas) -> Iterator[Callable[[int], None]]:
    """Hold the thumb of α, and put it back to where it was; what is yielded moves it to and fro, step by step."""
    box = canvas.page.locator(".live-slider[data-name=alpha] input[type=range]").bounding_box()
    assert box is not None
    mouse, y = canvas.page.mouse, box["y"] + box["height"] / 2

    def move(step: int) -> None:
        mouse.move(box["x"] + box["width"] * (0.5 + 0.1 * math.sin(step / 15)), y)

    move(0)
    mouse.down()
    yield move
    mouse.up()


def drag_alpha(canvas: Canvas, sent: Sent, m: int, seconds: float, pictures: int = 0) -> Drag:
    """Drag α so long, or for so many pictures, with m live tokens."""
    canvas.get(f"c.setLiveTokens({m})")
    with _held(canvas) as move:
        move(1)
        canvas.wait(f"c.live?.m === {m}")
        before, count, began, step = sent.count, canvas.get("c.live.count"), time.perf_counter(), 0
        while time.perf_counter() - began < seconds or canvas.get("c.live.count") < count + pictures:
            step += 1
            move(step)
            canvas.page.wait_for_timeout(12)
        took = time.perf_counter() - began
        rate = (canvas.get("c.live.count") - count) / took
        delays = sorted(canvas.get("c.liveDelays"))
        messages = sent.count - before
    if canvas.page.get_by_test_id("stApp").count():
        canvas.wait("c.computed === 8", PATIENCE_MS)
        _until_said(canvas.page, "measuring …$", some=False)
    return Drag(rate, delays[len(delays) // 2], delays[int(0.9 * len(delays))], messages)


def _until_said(page: Page, pattern: str, *, some: bool) -> None:
    """Wait until a line under the picture is like this, or none is.

    Looked for twenty times a second, in the page: Playwright's `expect` reads all of it at every try, half a second of
    a core during a run, which is what is measured here.
    """
    lines = "[...document.querySelectorAll('[data-testid=stCaptionContainer]')].map((each) => each.textContent.trim())"
    script = f"([pattern, some]) => {lines}.some((line) => new RegExp(pattern).test(line)) === some"
    page.wait_for_function(script, arg=[pattern, some], polling=50, timeout=PATIENCE_MS)


_KINDS = {"engine.process.worker": "engine", "umap_process": "UMAP", "streamlit run": "server", "chrom": "browser"}


def processor_seconds() -> Counter[str]:
    """Seconds that the app's processes and the browser's have used by now, by kind; on Linux."""
    found: Counter[str] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            command = (process / "cmdline").read_text().replace("\0", " ")
            kind = next((kind for word, kind in _KINDS.items() if word in command), None)
            if kind is not None:
                times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                found[kind] += sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return found


class Change(NamedTuple):
    """Seconds from a key on the slider of α to the first new picture, to that of all tokens and, if asked for, to all
    curves; `computed`: of which the server says that the blocks took so many. `processor`: seconds of the processors
    until all tokens, by kind of process."""

    alpha: float
    first: float
    all_tokens: float
    computed: float
    curves: float
    processor: Counter[str]


def change_alpha(canvas: Canvas, n_samples: int, used: set[float], *, curves: bool = False) -> Change:
    """Press a key on the slider of α: one more. `used` are the values that this server has had, of any settings.

    A value that it has had would be answered from what it keeps, so each must be new, and is `used` from then on.
    """
    page = canvas.page
    before = _of_link(page, "alpha")
    used.add(before)
    alpha = before + PARAMETERS["alpha"].step
    assert alpha not in used, f"the server has had α = {alpha:g} before"
    used.add(alpha)
    uploads = canvas.get("c.stats.uploads")
    slider = page.get_by_role("slider", name=PARAMETERS["alpha"].label)
    used_before = processor_seconds()
    began = time.perf_counter()
    slider.press("ArrowRight")
    # The link comes before the pictures of the new value, so that what is drawn after it is not of the old one.
    page.wait_for_function("text => new URLSearchParams(location.search).get('alpha') === text", arg=f"{alpha:g}")
    canvas.wait(f"c.stats.uploads > {uploads}")
    first = time.perf_counter() - began
    all_is_there(canvas, n_samples, measured=False)
    took = time.perf_counter() - began
    spent = processor_seconds() - used_before
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")  # the line is there
    line = page.get_by_text(re.compile(_done(n_samples))).inner_text()
    found = re.search(r"blocks in ([\d.]+) s", line)
    assert found is not None, line
    computed = float(found[1])  # rounded to tenths
    assert computed < took + 0.05, f"{computed} s of computing in {took:.2f} s: that was another run's"
    if curves:
        _until_said(page, "measuring …$", some=False)
    measured = time.perf_counter() - began if curves else math.nan
    return Change(alpha, first, took, computed, measured, spent)


def drag_depth(canvas: Canvas, seconds: float) -> float:
    """Drag the scrubber with the mouse back and forth along all blocks; frames drawn a second by the moving panel.

    Of the two panels the first has one frame and is drawn only with the second's size or colours, not with its depth.
    """
    page = canvas.page
    rail = page.locator(".scrubber .rail")
    rail.scroll_into_view_if_needed()
    box = rail.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"], y)
    page.mouse.down()
    before, began = canvas.get("c.stats.draws"), time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.5 * math.cos(2 * passed)), y)
    drawn = canvas.get("c.stats.draws") - before
    took = time.perf_counter() - began
    page.mouse.up()
    return float(drawn / took)


def rerun_of_the_picture(canvas: Canvas, traffic: Traffic, depth: float) -> Counter[str]:
    """Bytes of what follows a change of depth: the picture's part of the page runs again, with the same data."""
    with traffic.of() as found:
        canvas.get(f"c.setDepth({depth})")
        expect(canvas.page).to_have_url(re.compile(rf"depth={depth:g}(&|$)"))
        _at_rest(canvas.page)
    return found


def rerun_of_the_page(canvas: Canvas, traffic: Traffic) -> Counter[str]:
    """Bytes of a run of the whole page without any change, asked for by Streamlit's key r."""
    page = canvas.page
    page.locator("h1").first.click()  # no widget has the focus
    started = traffic.messages["new_session"]
    with traffic.of() as found:
        page.keyboard.press("r")
        for _ in range(300):
            if traffic.messages["new_session"] > started:
                break
            page.wait_for_timeout(100)
        assert traffic.messages["new_session"] > started, "the page did not run again"
        _at_rest(page)
    return found


def _done(n_samples: int) -> str:
    """Return what the line under the picture of a run that is done is like."""
    count = f"{n_samples:,}".replace(",", r"\s")  # a thin space
    return rf"^{count} tokens · \d+ blocks in"


def _of_link(page: Page, name: str) -> float:
    """A parameter of the link in the address bar, which leaves out what is the paper's."""
    found = parse_qs(page.evaluate("location.search").removeprefix("?"))  # page.url is told of changes late
    return float(found.get(name, [PARAMETERS[name].default])[0])


def _at_rest(page: Page) -> None:
    page.wait_for_timeout(1500)  # longer than the page waits before it looks again whether a run is over
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.evaluate(f"() => {FIND} !== null")  # what has come by now has been counted


def write_many_digits(path: Path, n_samples: int) -> None:
    """A .npz of so many images with labels: the bundled 10 000, again and again with a little seeded noise."""
    data = load("mnist")
    assert data.labels is not None
    rows = np.arange(n_samples) % data.n_samples
    noise = np.random.RandomState(0).randint(0, 9, (n_samples, data.Y.shape[1]), np.uint8)
    noise[: data.n_samples] = 0
    images = data.Y[rows]
    images -= np.minimum(images, noise)
    np.savez(path, Y=images.reshape(-1, 28, 28), label=data.labels[rows])


def open_many_digits(page: Page, url: str, n_samples: int, path: Path) -> Canvas:
    """The explorer with the digits of `path`, as the user's own file, once all are drawn and measured."""
    canvas, _ = opened(page, f"{url}/?n_samples=500")
    all_is_there(canvas, 500)
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name="your own file").click()
    page.get_by_test_id("stSidebar").locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text(re.compile(rf"{path.name}"))).not_to_have_count(0, timeout=PATIENCE_MS)
    tokens = page.get_by_role("spinbutton", name=PARAMETERS["n_samples"].label)
    tokens.fill(str(n_samples))
    tokens.press("Enter")
    all_is_there(canvas, n_samples)
    return canvas
