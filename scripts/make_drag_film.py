"""Write assets/drag.gif, ten seconds of a hand that drags α, for the README: the pictures are the live page's own.

The page is written and opened in Chromium; between two pictures it is waited until the model has run.
"""

from __future__ import annotations

import io
import math
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dr_transformer.cli.commands import main as command  # noqa: E402
from tests.e2e.canvas.canvas_page import Canvas  # noqa: E402
from tests.e2e.conftest import FLAGS  # noqa: E402

SCREEN = {"width": 1060, "height": 640}
SECONDS, RATE = 10, 8
WIDTH = 720


def share(at: float) -> float:
    """Where on α's slider the hand is at this time, 0 … 1: from the paper's 30 down to 8, up to 150, and back."""
    paper, low, high = (math.log(alpha) / math.log(300) for alpha in (30, 8, 150))
    swing = math.sin(2 * math.pi * at)
    return paper - swing * (paper - low) if swing > 0 else paper - swing * (high - paper)


def main() -> None:
    """Drag, and write what is seen."""
    frames = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "live.html"
        assert command(["web", str(page_file), "--n-samples", "1500"]) == 0
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport=SCREEN)
        canvas = Canvas(page, page_file.as_uri())
        page.wait_for_timeout(3000)
        canvas.get("c.setLiveTokens(1500)")
        main_part = page.locator(".latent-canvas .main").bounding_box()
        track = page.locator("[data-name=alpha] input[type=range]").bounding_box()
        assert main_part is not None
        assert track is not None
        clip = {**main_part, "height": main_part["height"] + 4}
        for step in range(SECONDS * RATE):
            before = canvas.get("c.live?.values.alpha ?? 30")
            x = track["x"] + 8 + (track["width"] - 16) * share(step / (SECONDS * RATE))
            page.mouse.move(x, track["y"] + track["height"] / 2)
            if step == 0:
                page.mouse.down()
            typed = float(page.locator("[data-name=alpha] input[type=number]").input_value())
            if typed != before:
                canvas.wait(f"c.live?.values.alpha === {typed}")
            canvas.next_frame()
            picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
            height = round(picture.height * WIDTH / picture.width)
            frames.append(picture.resize((WIDTH, height), Image.Resampling.LANCZOS))
        browser.close()
    palette = frames[len(frames) // 4].quantize(48)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    out = ROOT / "assets" / "drag.gif"
    small[0].save(out, save_all=True, append_images=small[1:], duration=1000 // RATE, loop=0, optimize=True)
    print(f"wrote {out.name}, {out.stat().st_size / 1e6:.1f} MB, {len(frames)} frames")


if __name__ == "__main__":
    main()
