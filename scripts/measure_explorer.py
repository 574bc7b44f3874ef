"""Measure the explorer in real Chromium and print a table: first frame, frames a second, times, bytes, memory.

    python scripts/measure_explorer.py [--quick]

The numbers are this machine's; nothing is tested here. Run it on an otherwise idle machine. With --quick everything is
measured, at small sizes: whether the script works.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e import measure  # noqa: E402
from tests.e2e.conftest import FLAGS  # noqa: E402
from tests.e2e.explorer_page import APP  # noqa: E402
from tests.servers import free_port, serve  # noqa: E402

SCREEN = {"width": 1440, "height": 900}
LARGE = 70_000
WARM_UP = 5  # changes after which the browser has compiled and cached what it will


def say(what: str, value: str) -> None:
    """One line of the table."""
    print(f"{what:<74} {value}", flush=True)


def say_bytes(what: str, found: Counter[str]) -> None:
    """One line, and one for each kind."""
    say(what, f"{found.total() / 1e3:.1f} kB")
    for kind, count in found.most_common():
        say(f"    {kind}", f"{count / 1e3:.1f} kB")


def paper(browser: Browser, url: str, n: int, changes: int) -> None:
    """The explorer at the paper's setting: loading, reruns, frames, changes of α, memory."""
    link = url if n == 10_000 else f"{url}/?n_samples={n}"
    for visit in ("first visit of this server", "second visit"):
        page = browser.new_page(viewport=SCREEN)
        traffic = measure.Traffic(page)
        canvas, first = measure.opened(page, link)
        say(f"navigation to first drawn frame, n = {n}, {visit}", f"{first:.2f} s")
        measure.all_is_there(canvas, n)
        say_bytes(f"received until all is there, n = {n}, {visit}", traffic.by_kind)
        if visit == "second visit":
            break
        page.close()
    say_bytes(
        "received for a rerun of the picture's part (the depth moved)", measure.rerun_of_the_picture(canvas, traffic, 4)
    )
    say_bytes("received for a rerun of the whole page, nothing changed", measure.rerun_of_the_page(canvas, traffic))
    frames = max(canvas.get("c.frames"))
    drawn = measure.drag_depth(canvas, 5)
    say(f"frames a second while the mouse drags the depth, n = {n}, {frames} frames", f"{drawn:.0f}")
    sizes, times = [], []
    for change in range(WARM_UP + changes + 1):
        if change >= WARM_UP:
            sizes.append(measure.heap(page))
        if change < WARM_UP + changes:
            times.append(measure.change_alpha(canvas, n, "ArrowRight" if change % 10 < 5 else "ArrowLeft"))
            if change < WARM_UP:
                measure.all_is_there(canvas, n)
    median = [statistics.median(column) for column in zip(*times, strict=True)]
    say(f"a key on α to the first new picture, n = {n}, median of {len(times)}", f"{median[0]:.2f} s")
    say(f"a key on α to the picture of all tokens, n = {n}, median of {len(times)}", f"{median[1]:.2f} s")
    listed = ", ".join(map(str, sizes))
    say(f"JavaScript objects + arrays at n = {n} after 0 … {changes} changes of α", f"{listed} MB")
    page.close()


def many_changes(browser: Browser, url: str, changes: int) -> None:
    """Many changes of α at n = 500, L = 2, q = 8."""
    page = browser.new_page(viewport=SCREEN)
    canvas, _ = measure.opened(page, f"{url}/?n_samples=500&n_blocks=2&n_components=8")
    sizes = []
    for change in range(WARM_UP + changes + 1):
        if change >= WARM_UP and (change - WARM_UP) % max(1, changes // 4) == 0:
            measure.all_is_there(canvas, 500)
            sizes.append(measure.heap(page))
        if change < WARM_UP + changes:
            measure.change_alpha(canvas, 500, "ArrowRight" if change % 40 < 20 else "ArrowLeft")
    listed = ", ".join(map(str, sizes))
    say(f"the same at n = 500, L = 2, q = 8, each {changes // 4} of {changes} changes", f"{listed} MB")
    page.close()


def large(browser: Browser, url: str, n: int) -> None:
    """The explorer with so many tokens of the user's own file."""
    page = browser.new_page(viewport=SCREEN)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.npz"
        measure.write_many_digits(path, n)
        traffic = measure.Traffic(page)
        canvas = measure.open_many_digits(page, url, n, path)
    frames = max(canvas.get("c.frames"))
    drawn = measure.drag_depth(canvas, 5)
    say(f"frames a second while the mouse drags the depth, n = {n}, {frames} frames", f"{drawn:.0f}")
    say(f"bytes of the picture's last message, n = {n}", f"{canvas.get('c.bytes') / 1e6:.1f} MB")
    say_bytes(f"received in that session, n = {n}", traffic.by_kind)
    say(f"JavaScript objects + arrays at n = {n}", f"{measure.heap(page)} MB")
    page.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: only whether the script works")
    quick = parser.parse_args().quick
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless=true"]
        with serve([*command, f"--server.port={port}"], port, cwd=ROOT) as url:
            paper(browser, url, 600 if quick else 10_000, 2 if quick else 10)
            many_changes(browser, url, 4 if quick else 200)
            large(browser, url, 800 if quick else LARGE)
        browser.close()


if __name__ == "__main__":
    main()
