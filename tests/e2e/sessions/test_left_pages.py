"""No page stays blank: not when a page asks for something that was left meanwhile, and not when both cores are busy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.e2e.explorer.explorer_page import APP

SCRIPT = Path(__file__).with_name("left_app.py")
LATE = SCRIPT.with_name("late_app.py")
SIGNS = (
    "ForwardMsg MISS",
    "Bad delta path index",
    "Cannot set a node at a delta path",
    "Couldn't find fragment",
    "Multiple different fragmentIds",
)
PANELS = 4


@pytest.fixture
def logged(logged_server: Callable[[Path], tuple[str, Path]]) -> Callable[[Path], tuple[str, Callable[[], str]]]:
    """`logged(script)`: the URL of the script's server, and what that server says from now on."""

    def serving(script: Path) -> tuple[str, Callable[[], str]]:
        url, log = logged_server(script)
        before = len(log.read_bytes())
        return url, lambda: log.read_bytes()[before:].decode(errors="replace")

    return serving


@pytest.fixture
def said(page: Page) -> list[str]:
    """What the browser's console says, and errors that no script catches."""
    found: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        found.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def assert_no_sign(said: list[str], log: Callable[[], str]) -> None:
    """Neither the browser nor the server speaks of what makes pages blank."""
    text = "\n".join([*said, log()])
    assert [sign for sign in SIGNS if sign in text] == []


@contextmanager
def busy_cores() -> Iterator[None]:
    """Two processes that want a core each."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def ask_late(page: Page, *, once_begun: bool) -> list[str]:
    """Let the page that is left ask once more: after another one was asked for, or `once_begun`, after that began.

    Returns what is filled in then: the fragment that asks.
    """
    asked: list[tuple[str | bytes, BackMsg]] = []
    late: list[str] = []

    def connect(browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()
        wanted: list[str] = []  # the page that is asked for

        def ask() -> None:
            message, content = asked[-1]
            server.send(message)
            late.append(content.rerun_script.fragment_id)

        def forward(message: str | bytes) -> None:
            content = BackMsg.FromString(message if isinstance(message, bytes) else message.encode())
            request = content.rerun_script
            server.send(message)
            if request.fragment_id and not wanted:
                asked.append((message, content))
            elif asked and request.page_script_hash != asked[-1][1].rerun_script.page_script_hash and not wanted:
                wanted.append(request.page_script_hash)
                if not once_begun:
                    ask()

        def back(message: str | bytes) -> None:
            content = ForwardMsg.FromString(message if isinstance(message, bytes) else message.encode())
            begun = content.WhichOneof("type") == "new_session" and content.new_session.page_script_hash
            if once_begun and not late and wanted and begun == wanted[0]:
                ask()
            browser.send(message)

        browser.on_message(forward)
        server.on_message(back)

    page.route_web_socket("**/_stcore/stream", connect)
    return late


def claim_too_much(page: Page) -> tuple[set[str], list[str]]:
    """Let each request name all messages that the browser ever had, which forgets them as pages change.

    Returns what is filled in then: the hashes that were claimed, and the kinds of messages that came.
    """
    had: set[str] = set()
    came: list[str] = []

    def connect(browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()

        def forward(message: str | bytes) -> None:
            content = BackMsg.FromString(message if isinstance(message, bytes) else message.encode())
            if content.WhichOneof("type") == "rerun_script":
                content.rerun_script.cached_message_hashes.extend(had)
            server.send(content.SerializeToString())

        def back(message: str | bytes) -> None:
            content = ForwardMsg.FromString(message if isinstance(message, bytes) else message.encode())
            came.append(str(content.WhichOneof("type")))
            if content.metadata.cacheable:
                had.add(content.hash)
            browser.send(message)

        browser.on_message(forward)
        server.on_message(back)

    page.route_web_socket("**/_stcore/stream", connect)
    return had, came


@pytest.mark.slow
def test_the_server_names_only_what_the_browser_still_has(
    page: Page, said: list[str], logged: Callable[[Path], tuple[str, Callable[[], str]]]
) -> None:
    """The browser forgets a page's messages while another one polls; what it claimed before is then no use."""
    had, came = claim_too_much(page)
    url, log = logged(SCRIPT)
    page.goto(url)  # the first request claims nothing
    for name in ("Second", "First", "Second", "First"):
        expect(page.get_by_text("again and again").first).to_be_visible()
        page.wait_for_timeout(600)  # some runs of the fragment that polls, in which its page's messages age
        page.get_by_role("link", name=name).click()
        expect(page.get_by_text(f"{name}: again and again")).to_be_visible()
        expect(page.get_by_text("long enough to be kept").first).to_be_visible()
    assert len(had) > 1
    assert came.count("ref_hash") > 10  # what polls name instead of sending it again
    assert_no_sign(said, log)


@pytest.mark.parametrize("once_begun", [False, True])
def test_a_request_of_a_page_that_was_left_is_dropped(
    page: Page, said: list[str], logged: Callable[[Path], tuple[str, Callable[[], str]]], once_begun: bool
) -> None:
    late = ask_late(page, once_begun=once_begun)
    url, log = logged(SCRIPT)
    page.goto(url)
    expect(page.get_by_text("First: again and again")).to_be_visible()
    page.get_by_role("link", name="Second").click()
    expect(page.get_by_text("Here the second page begins")).to_be_visible()
    for name in ("Second", "Beside it"):
        expect(page.get_by_text(f"{name}: again and again")).to_be_visible()
    assert page.url.endswith("/second")
    assert len(late) == 1
    assert_no_sign(said, log)


def test_the_end_of_a_page_is_drawn_although_a_request_came_before_it_was_sent(
    page: Page, said: list[str], logged: Callable[[Path], tuple[str, Callable[[], str]]]
) -> None:
    url, log = logged(SCRIPT)
    page.goto(f"{url}/held?hold=1")
    expect(page.get_by_text("Here the held page ends")).to_be_visible()
    expect(page.get_by_text("Held: again and again")).to_be_visible()
    assert_no_sign(said, log)


def test_a_fragment_asked_for_while_its_page_is_drawn_keeps_its_place(
    page: Page, said: list[str], logged: Callable[[Path], tuple[str, Callable[[], str]]]
) -> None:
    """Both fragments are asked for before the browser has got what the press on "All" drew."""
    url, log = logged(LATE)
    page.goto(url)
    expect(page.get_by_text("The end")).to_be_visible()
    for name in ("All", "Third", "First"):
        page.get_by_role("button", name=name).click()
    expect(page.get_by_text("First: run 3")).to_be_visible()
    expect(page.get_by_text("Third: run 3")).to_be_visible()
    expect(page.get_by_text(re.compile(r"run \d|The end"))).to_have_text(
        ["First: run 3", "Second: run 2", "Third: run 3", "The end"]
    )
    assert_no_sign(said, log)


@pytest.mark.slow
def test_the_explorers_links_lead_to_whole_pages_when_both_cores_are_busy(
    page: Page, said: list[str], logged: Callable[[Path], tuple[str, Callable[[], str]]]
) -> None:
    """Another seed each time, so that the baselines are computed while Compare is drawn."""
    url, log = logged(APP)
    page.goto(url)
    expect(page.get_by_text("blocks in")).to_be_visible(timeout=120_000)
    with busy_cores():
        for seed in range(3):
            page.goto(f"{url}/?n_samples=600&n_blocks=4&random_state={seed}")
            expect(page.get_by_text("600 tokens · 4 blocks in")).to_be_visible()
            page.get_by_role("link", name="Compare").click()
            expect(page.get_by_role("heading", name="The same digits, four ways")).to_be_visible()
            expect(page.locator(".latent-canvas .panel")).to_have_count(PANELS)
            expect(page.get_by_text("Save and restore")).to_be_visible()
            assert "/Compare" in page.url
        page.get_by_role("link", name="The model").click()
        page.get_by_role("link", name="Explorer").click()
        page.get_by_role("button", name="Too deep").click()
        page.get_by_role("link", name="Draw a digit").click()
        expect(page.get_by_role("heading", name="Draw a digit")).to_be_visible()
        expect(page.get_by_text("Draw a digit: its token appears here.")).to_be_visible()
        expect(page.locator(".latent-canvas .panel").first).to_be_visible()
    assert_no_sign(said, log)
