"""The saved page as a file: whole, small, harmless whatever is in it, and with the settings that made it."""

import base64
import gzip
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from dr_transformer.canvas.attended import AttendedTable
from dr_transformer.canvas.parts import CanvasSpec, Colouring, Panel
from dr_transformer.export.pages.web_page import web_page
from tests.e2e.canvas.canvas_page import quantisation
from tests.helpers.blobs import decode, read, unpack

EVIL = ['</script><script>document.title="owned"</script>', '"><img src=x onerror=alert(1)>', "</style>&amp;<!--", "ok"]


class Page(HTMLParser):
    """The elements of a page by their tag or id, with their text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("id") or values.get("http-equiv") or tag
        self.tags.append(tag)
        self.attributes[name] = values
        if tag not in ("meta", "link", "img"):
            self._open.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert tag
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open[-1]] = self.found.get(self._open[-1], "") + data

    def blob(self, name: str, packed: bool = True) -> tuple[dict[str, Any], bytes]:
        content = base64.b64decode(self.found[name], validate=True)
        return unpack(gzip.decompress(content) if packed else content)


def small_page(**changed: Any) -> bytes:
    frames = np.random.RandomState(0).randn(3, 8, 2)
    images = changed.pop("images", None)
    shown = CanvasSpec([Panel("One", frames, (0.0, 1.0, 2.0))], np.arange(8) % 4, EVIL, "test", 2, images=images)
    arguments: dict[str, Any] = {
        "title": "A page",
        "settings": {"config": {"alpha": 30.0}},
        "descriptions": ["first", "second", "third"],
    }
    return web_page(shown, **(arguments | changed))


def test_whatever_a_users_file_says_is_text() -> None:
    settings = {"data": {"name": EVIL[0]}}
    content = small_page(title=EVIL[0], lead=EVIL[1], notes=EVIL, descriptions=EVIL, settings=settings)
    page = Page(content)
    harmless = Page(small_page(notes=["a"] * 4, settings={"data": {"name": "b"}}))
    assert page.tags == harmless.tags
    assert page.found["title"] == page.found["h1"] == EVIL[0]
    assert json.loads(page.found["settings"]) == settings
    assert json.loads(page.found["page"])["descriptions"] == EVIL
    assert page.found["description"] == EVIL[0]
    assert page.blob("frames")[0]["class_names"] == EVIL
    assert content.count(b"<script") == content.count(b"</script>") == 5  # settings, page, frames, extras, the code
    assert b"<img" not in content


def test_no_request_and_no_other_script_is_allowed() -> None:
    page = Page(small_page(images=np.zeros((8, 4, 4), np.uint8)))
    policy = page.attributes["Content-Security-Policy"]["content"] or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    script = page.found["script"]
    assert rules["script-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    content = small_page().decode()
    assert not re.search(r'\b(src|href)="', content)
    assert set(re.findall(r"https?://[^\"'\s)]+", content)) <= {"http://www.w3.org/2000/svg"}  # a name, no address
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts|sendBeacon)\b|\bimport\(|@import", content)


def test_frames_colourings_and_images_are_what_was_given() -> None:
    frames = np.random.RandomState(1).randn(2, 6, 2)
    images = np.random.RandomState(2).randint(0, 256, (6, 5, 4)).astype(np.uint8)
    shown = CanvasSpec(
        [Panel("One", frames, (0.0, 1.0))],
        labels=np.arange(6) % 2,
        class_names=["a", "b"],
        dataset_key="test",
        n_blocks=1,
        depth=0.5,
        images=images,
        colourings=[Colouring("share", np.linspace(0, 1, 6))],
    )
    page = Page(web_page(shown, title="t", settings={}, descriptions=["x", "y"]))
    header, arrays = page.blob("frames")
    assert header["depth"] == 0.5
    for stored, frame in zip(header["panels"][0]["frames"], frames, strict=True):
        assert (np.abs(decode(stored, arrays) - frame).max(axis=0) <= quantisation(frame)).all()
    header, arrays = page.blob("extras")
    np.testing.assert_array_equal(
        read(header["colourings"][0]["panels"][0][0], arrays, "u1"), np.rint(np.linspace(0, 254, 6))
    )
    header, arrays = page.blob("images", packed=False)
    unpacked = zlib.decompress(read(header["images"], arrays, "u1").tobytes())
    np.testing.assert_array_equal(np.frombuffer(unpacked, np.uint8).reshape(6, 5, 4), images)


def test_the_same_settings_give_the_same_file() -> None:
    assert small_page() == small_page()


@pytest.mark.parametrize("n", [40, 70_000])
def test_whom_tokens_attend_to_comes_back(n: int) -> None:
    random = np.random.RandomState(0)
    indices = random.randint(0, n, (2, n, 3))
    weights = -np.sort(-(random.rand(2, n, 3) ** 4), axis=2).astype(np.float32)
    shown = CanvasSpec([Panel("One", random.randn(1, n, 2), (0.0,))], np.zeros(n, int), ["a"], "test", 1)
    table = AttendedTable(indices, weights)
    page = Page(web_page(shown, title="t", settings={}, descriptions=[""], attended=table))
    header, arrays = page.blob("attended")
    assert (header["n"], header["k"], header["depths"], header["wide"]) == (n, 3, [0.0, 1.0], n > 65_536)
    stored = read(header["indices"], arrays, "<u4" if header["wide"] else "<u2").reshape(3, 2, n)
    np.testing.assert_array_equal(np.moveaxis(stored, 0, 2), indices)
    most = read(header["most"], arrays, "<f2").reshape(2, n, 1).astype(float)
    shares = np.moveaxis(read(header["shares"], arrays, "u1").reshape(3, 2, n), 0, 2)
    assert np.abs(most * shares / 255 - weights).max() <= weights.max() * (1 / 510 + 1 / 2000)
