"""The site that `scripts/make_site.py` writes: whole, asking no other host for anything, its pages at work."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from dr_transformer import __all__ as public
from dr_transformer.lessons.format import shipped_lessons
from tests.e2e.canvas.canvas_page import FIND, Canvas

ROOT = Path(__file__).parents[3]
URL = "https://example.org/dr"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "made"
    command = [sys.executable, str(ROOT / "scripts" / "make_site.py"), str(folder), "--url", URL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids.add(told.get("id") or "")
        for name in ("href", "src"):
            if value := told.get(name):
                self.found.add(value)


def test_every_link_leads_somewhere_and_no_part_is_of_another_host(site: Path) -> None:
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) >= len(shipped_lessons()) + 5
    for path, page in pages.items():
        for link in page.found:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "data", "mailto"), link
                continue
            target = (path.parent / parts.path).resolve() if parts.path else path
            assert target.is_file(), f"{path.name}: {link}"
            if parts.fragment and "=" not in parts.fragment and target in pages:
                assert parts.fragment in pages[target].ids, f"{path.name}: {link}"
    assert {f"{lesson.name}.html" for lesson in shipped_lessons()} <= pages[site / "lessons" / "index.html"].found
    reference = (site / "api" / "dr_transformer.html").read_text(encoding="utf-8")
    missing = {name for name in public if not name.startswith("__") and f'id="{name}"' not in reference}
    assert missing == {"quality"}  # a module, with a page of its own
    assert (site / "api" / "dr_transformer" / "quality.html").is_file()


def test_a_link_to_it_has_a_preview(site: Path) -> None:
    for page in (site / "index.html", site / "lessons" / "collapse.html"):
        tags = dict(re.findall(r'<meta property="([^"]+)" content="([^"]*)">', page.read_text(encoding="utf-8")))
        assert tags["og:image"] == f"{URL}/preview.png"
        assert tags["og:title"]
        assert tags["og:description"]
    with Image.open(site / "preview.png") as picture:
        assert picture.size == (1200, 630)


def test_the_pages_work_from_the_disk_alone(site: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    front = Canvas(page, (site / "index.html").as_uri())
    assert front.get("c.frames[1]") > 8
    page.get_by_role("link", name="Lessons", exact=True).click()
    page.get_by_role("link", name=re.compile("α")).click()
    expect(page.locator("h2")).to_have_count(
        len(next(x for x in shipped_lessons() if x.name == "what-alpha-does").steps)
    )
    page.get_by_text("See what happens").first.click()
    shown = page.locator("iframe").nth(1)
    shown.scroll_into_view_if_needed()
    expect(shown.content_frame.locator(".latent-canvas")).to_be_visible()
    handle = shown.element_handle()
    frame = None if handle is None else handle.content_frame()
    assert frame is not None
    frame.wait_for_function(
        f"() => {{ const c = {FIND}; return c && c.live && c.live.values.alpha === 1 && c.live.m === 2000; }}"
    )
    expect(shown.content_frame.locator("h1")).to_be_hidden()
    assert front.errors == []
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data", "blob"}


def test_a_link_of_the_live_page_holds_the_depth(site: Path, page: Page) -> None:
    canvas = Canvas(page, (site / "index.html").as_uri() + "#embed=1&depth=2.5")
    canvas.wait("c.depth === 2.5")
    expect(page.get_by_role("heading", level=1)).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    assert canvas.errors == []
