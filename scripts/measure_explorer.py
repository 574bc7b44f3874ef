"""Measure the explorer in real Chromium and print a table: first frame, frames a second, times, bytes, memory.

    python scripts/measure_explorer.py [--quick] [--json FILE]

The numbers are this machine's, which the first lines name; nothing is tested here. Run it on an otherwise idle machine.
Every α is one that the server has not had. Beside the seconds of a change stand those of the model's blocks alone, in a
fresh process before and after the browser. With --quick everything is measured, at small sizes: whether the script
works.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dr_transformer.hardware.devices import machine  # noqa: E402
from tests.e2e.conftest import FLAGS  # noqa: E402
from tests.e2e.explorer import measure  # noqa: E402
from tests.e2e.explorer.explorer_page import APP  # noqa: E402
from tests.helpers.servers import free_port, serve  # noqa: E402

SCREEN = {"width": 1440, "height": 900}
LARGE = 70_000
WARM_UP = 5  # changes after which the browser has compiled and cached what it will


class Report:
    """The table, line by line as it is measured, and all of it for a file."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def say(self, what: str, value: Any, unit: str = "", shown: str = "") -> None:
        """One line of the table."""
        self.figures.append({"what": what, "value": value, "unit": unit})
        print(f"{what:<74} {shown or f'{value} {unit}'.rstrip()}", flush=True)

    def say_seconds(self, what: str, found: list[float]) -> float:
        """The median, and the extremes; returns the median."""
        median = statistics.median(found)
        shown = f"{median:.2f} s ({min(found):.2f} … {max(found):.2f})"
        self.say(f"{what}, median of {len(found)}", [round(each, 3) for each in found], "s", shown)
        return median

    def say_bytes(self, what: str, found: Counter[str]) -> None:
        """One line, and one for each kind."""
        self.say(what, found.total(), "bytes", f"{found.total() / 1e3:.1f} kB")
        for kind, count in found.most_common():
            self.say(f"    {kind}", count, "bytes", f"{count / 1e3:.1f} kB")

    def say_heaps(self, what: str, sizes: list[measure.Heap]) -> None:
        """Objects and arrays, at each of several times."""
        self.say(what, [tuple(size) for size in sizes], "MB", f"{', '.join(map(str, sizes))} MB")


def bare_kernel(report: Report, n: int, when: str) -> float:
    """Median seconds of the blocks alone, in a fresh process."""
    command = [sys.executable, str(ROOT / "scripts" / "bare_kernel.py"), "--n-samples", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return report.say_seconds(f"the blocks alone, in a process of their own, n = {n}, {when}", json.loads(done.stdout))


def paper(report: Report, browser: Browser, url: str, n: int, changes: int, used: set[float]) -> list[float]:
    """The explorer at the paper's setting: loading, reruns, frames, changes of α, memory.

    Returns the seconds of each change from rest until all tokens are drawn.
    """
    link = url if n == 10_000 else f"{url}/?n_samples={n}"
    for visit in ("first visit of this server", "second visit"):
        page = browser.new_page(viewport=SCREEN)
        traffic = measure.Traffic(page)
        canvas, first = measure.opened(page, link)
        report.say(f"navigation to first drawn frame, n = {n}, {visit}", round(first, 3), "s", f"{first:.2f} s")
        measure.all_is_there(canvas, n)
        report.say_bytes(f"received until all is there, n = {n}, {visit}", traffic.by_kind)
        if visit == "second visit":
            break
        page.close()
    moved = measure.rerun_of_the_picture(canvas, traffic, 4)
    report.say_bytes("received for a rerun of the picture's part (the depth moved)", moved)
    again = measure.rerun_of_the_page(canvas, traffic)
    report.say_bytes("received for a rerun of the whole page, nothing changed", again)
    frames = max(canvas.get("c.frames"))
    drawn = measure.drag_depth(canvas, 5)
    report.say(f"frames a second while the mouse drags the depth, n = {n}, {frames} frames", round(drawn))
    for _ in range(WARM_UP):
        measure.change_alpha(canvas, n, used)
    rested, busy, sizes = [], [], []
    for _ in range(changes):
        measure.all_is_there(canvas, n)
        sizes.append(measure.heap(page))
        rested.append(measure.change_alpha(canvas, n, used, curves=True))
        measure.change_alpha(canvas, n, used)
        busy.append(measure.change_alpha(canvas, n, used))  # while the change before is being measured
    measure.all_is_there(canvas, n)
    sizes.append(measure.heap(page))
    for when, found in (("at rest", rested), ("while the run before is being measured", busy)):
        alphas = f"each α new, {found[0].alpha:g} … {found[-1].alpha:g}"
        what = f"n = {n}, {when} ({alphas})"
        report.say_seconds(f"a key on α to the first new picture, {what}", [each.first for each in found])
        report.say_seconds(f"a key on α to the picture of all tokens, {what}", [each.all_tokens for each in found])
        report.say_seconds(f"of which the server's blocks, {what}", [each.computed for each in found])
    report.say_seconds(f"a key on α to all curves, n = {n}, at rest", [each.curves for each in rested])
    for kind in sorted({kind for each in rested for kind in each.processor}):
        seconds = [each.processor[kind] for each in rested]
        report.say_seconds(f"processor time of {kind} during such a change at rest, n = {n}", seconds)
    report.say_heaps(f"JavaScript objects + arrays at n = {n} after 0, 3 … {3 * changes} changes of α", sizes)
    page.close()
    return [each.all_tokens for each in rested]


def many_changes(report: Report, browser: Browser, url: str, changes: int, used: set[float]) -> None:
    """Many changes of α at n = 500, L = 2, q = 8, beyond the values that were used."""
    page = browser.new_page(viewport=SCREEN)
    link = f"{url}/?n_samples=500&n_blocks=2&n_components=8&alpha={max(used) + 1:g}"
    canvas, _ = measure.opened(page, link)
    sizes = []
    for change in range(WARM_UP + changes + 1):
        if change >= WARM_UP and (change - WARM_UP) % max(1, changes // 4) == 0:
            measure.all_is_there(canvas, 500)
            sizes.append(measure.heap(page))
        if change < WARM_UP + changes:
            measure.change_alpha(canvas, 500, used)
    report.say_heaps(f"the same at n = 500, L = 2, q = 8, each {changes // 4} of {changes} changes", sizes)
    page.close()


def live(report: Report, browser: Browser, url: str, where: str, sizes: tuple[int, int], changes: int) -> None:
    """A slider dragged: pictures a second, the time to each, what goes to the server, memory."""
    page = browser.new_page(viewport=SCREEN)
    sent = measure.Sent(page)
    canvas, _ = measure.opened(page, url)
    measure.warm_up_live(canvas)
    for m in sizes:
        found = measure.drag_alpha(canvas, sent, m, 5)
        report.say(f"pictures a second while α is dragged, {m} live tokens, {where}", round(found.rate, 1))
        shown = f"{found.delay:.0f} ms, 90 % within {found.late:.0f} ms"
        report.say(f"    from pointer to picture, median, {where}", [found.delay, found.late], "ms", shown)
        report.say(f"    messages to the server during the drag, {where}", found.messages)
    heaps = [measure.heap(page)]
    for _ in range(4):
        measure.drag_alpha(canvas, sent, min(sizes), 0, changes // 4)
        heaps.append(measure.heap(page))
    report.say_heaps(f"JavaScript objects + arrays, each {changes // 4} of {changes} live pictures, {where}", heaps)
    page.close()


def live_file(report: Report, browser: Browser, n: int, sizes: tuple[int, int], changes: int) -> None:
    """The same for a page that runs the model itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "live.html"
        command = [sys.executable, "-m", "dr_transformer", "web", str(path), "--n-samples", str(n)]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        report.say(
            "a page that runs the model itself", path.stat().st_size, "bytes", f"{path.stat().st_size / 1e6:.2f} MB"
        )
        live(report, browser, path.as_uri(), "from a file", sizes, changes)


def large(report: Report, browser: Browser, url: str, n: int) -> None:
    """The explorer with so many tokens of the user's own file."""
    page = browser.new_page(viewport=SCREEN)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.npz"
        measure.write_many_digits(path, n)
        traffic = measure.Traffic(page)
        canvas = measure.open_many_digits(page, url, n, path)
    frames = max(canvas.get("c.frames"))
    drawn = measure.drag_depth(canvas, 5)
    report.say(f"frames a second while the mouse drags the depth, n = {n}, {frames} frames", round(drawn))
    size = canvas.get("c.bytes")
    report.say(f"the picture's last message, n = {n}", size, "bytes", f"{size / 1e6:.1f} MB")
    report.say_bytes(f"received in that session, n = {n}", traffic.by_kind)
    report.say_heaps(f"JavaScript objects + arrays at n = {n}", [measure.heap(page)])
    page.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: only whether the script works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write machine and figures to this file")
    options = parser.parse_args()
    quick, report = options.quick, Report()
    n, changes, many, most = (600, 2, 4, 800) if quick else (10_000, 10, 200, LARGE)
    sizes, pictures = ((300, 400), 40) if quick else ((500, 1000), 1000)
    about = machine() | {"streamlit": version("streamlit"), "load_before": os.getloadavg()[0]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        about["chromium"] = browser.version
        for name, value in about.items():
            print(f"{name:<74} {value}")
        before = bare_kernel(report, n, "before")
        port, used = free_port(), set[float]()
        command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless=true"]
        live_file(report, browser, max(sizes), sizes, pictures)
        with serve([*command, f"--server.port={port}"], port, cwd=ROOT) as url:
            changed = statistics.median(paper(report, browser, url, n, changes, used))
            live(report, browser, f"{url}/?n_samples={n}", "in the app", sizes, pictures)
            many_changes(report, browser, url, many, used)
            large(report, browser, url, most)
        browser.close()
    after = bare_kernel(report, n, "after")
    ratio = changed / statistics.mean((before, after))
    report.say(f"a key on α to all tokens, at rest, over the blocks alone, n = {n}", round(ratio, 2))
    if options.json:
        everything = {"machine": about, "quick": quick, "figures": report.figures}
        options.json.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
