"""The latent canvas in a real browser, on data of known coordinates (`canvas_app.py`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.canvas.canvas_app import make_frames, make_labels
from tests.e2e.canvas.canvas_page import FIND, ISOLATED, Canvas, N, has_class_colour, quantisation


def test_first_paint(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    assert canvas.get("c.renderers") == ["webgl2", "webgl2"]
    assert canvas.get("c.frames") == [1, 9]
    assert canvas.get("c.depth") == 0
    assert canvas.get("c.bytes") > 10 * N * 4
    assert canvas.get("c.stats.draws") >= 2
    expect(canvas.page.locator(".title")).to_have_text(["Random projection, Y W", "Block 0"])
    expect(canvas.page.locator(".x-axis .axis-label").first).to_have_text("latent axis 0")
    expect(canvas.page.locator("[aria-live]")).to_have_text(f"Depth 0 of 8; {N} points; classes shown: all")
    assert has_class_colour(canvas.pixel(1, *canvas.screen(1, ISOLATED)), 0)


def test_coordinates_are_pythons_at_whole_and_at_fractional_depth(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    frames = make_frames(N, 9)
    for depth in (0, 4, 8):
        canvas.get(f"c.setDepth({depth})")
        error = np.abs(canvas.array("c.positions(1)") - frames[depth]).max(axis=0)
        assert (error <= quantisation(frames[depth])).all()
    for depth, share in ((2.5, 0.5), (6.25, 0.25)):
        k = int(depth)
        canvas.get(f"c.setDepth({depth})")
        mixed = (1 - share) * frames[k] + share * frames[k + 1]
        error = np.abs(canvas.array("c.positions(1)") - mixed).max(axis=0)
        assert (error <= np.maximum(quantisation(frames[k]), quantisation(frames[k + 1]))).all()
    error = np.abs(canvas.array("c.positions(0)") - frames[0]).max(axis=0)
    assert (error <= quantisation(frames[0])).all()
    # Both axes of the screen have the same scale.
    data, screen = canvas.array("c.positions(1)"), canvas.array("c.screen(1)")
    view = canvas.get("c.view(1)")
    scale = np.ptp(screen, axis=0) / np.ptp(data, axis=0)
    np.testing.assert_allclose(scale, view["scale"], rtol=1e-4)
    assert (screen.min(axis=0) >= 0).all()
    assert (screen.max(axis=0) <= [view["width"], view["height"]]).all()
    assert np.corrcoef(data[:, 1], screen[:, 1])[0, 1] < -0.999  # up is up


def test_points_are_drawn_where_they_are_and_move_with_depth_and_zoom(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    places = []
    for depth in (0, 3.5, 8):
        canvas.get(f"c.setDepth({depth})")
        places.append(canvas.screen(1, ISOLATED))
        assert has_class_colour(canvas.pixel(1, *places[-1]), 0)
    assert canvas.pixel(1, *places[0])[3] == 0, "the point must have left its first place"
    before = canvas.screen(1, ISOLATED)
    x, y = canvas.on_page(1, ISOLATED)
    canvas.page.mouse.move(x - 40, y)
    canvas.page.mouse.wheel(0, -150)
    canvas.next_frame()
    assert canvas.get("c.view(1).zoom") == 1, "the wheel alone scrolls the page"
    canvas.page.locator(".plot").nth(1).focus()
    canvas.page.mouse.wheel(0, -150)
    canvas.wait("c.view(1).zoom > 1.1")
    after = canvas.screen(1, ISOLATED)
    zoom = canvas.get("c.view(1).zoom")
    assert after[0] - before[0] == pytest.approx(40 * (zoom - 1), abs=1)  # zoomed about the cursor
    assert after[1] == pytest.approx(before[1], abs=1)
    assert has_class_colour(canvas.pixel(1, *after), 0)
    assert canvas.get("c.view(0).zoom") == 1


def test_drag_pans_and_reset_and_double_click_restore(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    mouse = canvas.page.mouse
    fitted = canvas.screen(1, ISOLATED)
    for reset in ("button", "double click"):
        x, y = canvas.on_page(1, ISOLATED)
        mouse.move(x - 60, y + 60)
        mouse.down()
        mouse.move(x - 80, y + 90, steps=3)
        mouse.up()
        assert np.subtract(canvas.screen(1, ISOLATED), fitted) == pytest.approx([-20, 30], abs=0.5)
        assert canvas.get("c.pinned") == -1, "a drag is no click"
        if reset == "button":
            canvas.page.get_by_role("button", name="Reset view").click()
        else:
            mouse.dblclick(x - 60, y + 60)
        assert canvas.screen(1, ISOLATED) == fitted


def test_the_legend_removes_pixels_in_all_panels(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    places = [canvas.screen(panel, ISOLATED) for panel in (0, 1)]
    legend = canvas.page.get_by_role("group", name="Classes").get_by_role("button")
    expect(legend).to_have_text([str(label) for label in range(10)])
    expect(legend.first).to_have_attribute("aria-pressed", "true")
    legend.first.click()
    expect(legend.first).to_have_attribute("aria-pressed", "false")
    assert [canvas.pixel(panel, *places[panel])[3] for panel in (0, 1)] == [0, 0]
    expect(canvas.page.locator("[aria-live]")).to_contain_text("classes shown: 1, 2, 3, 4, 5, 6, 7, 8, 9")
    canvas.page.mouse.move(*canvas.on_page(1, ISOLATED))
    canvas.next_frame()
    assert canvas.get("c.hovered") == -1, "a hidden token cannot be hovered"
    legend.first.focus()
    canvas.page.keyboard.press("Space")
    expect(legend.first).to_have_attribute("aria-pressed", "true")
    assert not canvas.get("c.playing"), "space on a button is the button's"
    assert has_class_colour(canvas.pixel(0, *places[0]), 0)


def test_keys_move_the_depth_and_python_hears_where_it_rests(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    slider = canvas.page.get_by_role("slider", name="Depth")
    slider.focus()
    for key, depth in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 8), ("ArrowRight", 8)):
        canvas.page.keyboard.press(key)
        assert canvas.get("c.depth") == depth
    expect(slider).to_have_attribute("aria-valuenow", "8")
    canvas.page.keyboard.press("Home")
    canvas.get("c.setDepth(3.3)")
    canvas.page.keyboard.press("ArrowLeft")
    assert canvas.get("c.depth") == 3
    canvas.python_has_depth(3.0)
    canvas.get("c.setDepth(5.4)")
    canvas.python_has_depth(5.4)
    expect(slider).to_have_attribute("aria-valuenow", "5.4")
    expect(slider).to_have_attribute("aria-valuetext", "block 5.4 of 8")
    expect(slider).to_have_attribute("aria-valuemax", "8")
    assert canvas.get("c.depth") == 5.4, "the rerun must not move the depth"
    plot = canvas.page.locator(".plot").first
    plot.focus()
    canvas.page.keyboard.press("ArrowRight")
    canvas.python_has_depth(6.0)


def test_the_scrubber_is_dragged_and_clicked(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    mouse = canvas.page.mouse
    box = canvas.page.locator(".rail").bounding_box()
    assert box is not None
    y = box["y"] + 12
    mouse.move(box["x"], y)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.3, y, steps=4)
    canvas.wait("Math.abs(c.depth - 2.4) < 0.02")
    mouse.move(box["x"] + box["width"] * 2, y)
    mouse.up()
    canvas.python_has_depth(8.0)
    mouse.click(box["x"] + box["width"] * 0.5 + 3, y)  # all but on the tick of block 4
    assert canvas.get("c.depth") == 4
    expect(canvas.page.locator(".tick .number")).to_have_text([str(block) for block in range(9)])


def test_playing_runs_to_the_end_and_stops(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=6)
    canvas.page.get_by_label("Playing speed").select_option("4×")
    canvas.page.get_by_role("button", name="Play").click()
    canvas.wait("c.playing && c.depth > 6 && c.depth % 1 !== 0")
    canvas.wait("!c.playing && c.depth === 8")
    canvas.python_has_depth(8.0)
    canvas.page.locator(".plot").first.focus()
    canvas.page.keyboard.press("Space")  # from the end, playing starts again at the beginning
    canvas.wait("c.playing && c.depth < 5")
    canvas.page.keyboard.press("Space")
    canvas.wait("!c.playing")
    canvas.next_frame()  # paused before its first frame, it still owes that one
    draws = canvas.get("c.stats.draws")
    canvas.next_frame()
    assert canvas.get("c.stats.draws") == draws, "nothing changes, so nothing may be drawn"


def test_reduced_motion_plays_whole_blocks(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=5)
    canvas.page.emulate_media(reduced_motion="reduce")
    canvas.page.get_by_label("Playing speed").select_option("4×")
    canvas.get(
        "(window.seen = new Set(), window.look = () => { seen.add(c.depth); requestAnimationFrame(look); }, look())"
    )
    canvas.page.get_by_role("button", name="Play").click()
    canvas.wait("!c.playing && c.depth === 8")
    canvas.wait("seen.has(8)")
    assert sorted(canvas.get("[...seen]")) == [5, 6, 7, 8]


def test_a_rerun_with_the_same_data_keeps_everything(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.get("c.setDepth(2.5)")
    canvas.python_has_depth(2.5)
    canvas.page.locator(".plot").nth(1).focus()
    canvas.page.keyboard.press("+")
    canvas.page.get_by_role("button", name="7", exact=True).click()
    canvas.get("window.kept = c")
    canvas.next_frame()
    before = canvas.get("[c.stats.uploads, c.stats.draws, c.depth, c.view(1)]")
    canvas.click("Rerun")
    canvas.next_frame()
    assert canvas.get("window.kept === c"), "the canvas must not be built again"
    assert canvas.get("[c.stats.uploads, c.stats.draws, c.depth, c.view(1)]") == before
    expect(canvas.page.get_by_role("button", name="7", exact=True)).to_have_attribute("aria-pressed", "false")
    assert before[3]["zoom"] == pytest.approx(1.25)
    assert before[0] == 1 + 9 + 2, "each frame once, and the classes of each panel"


def test_python_moves_the_depth_only_with_a_new_value(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.click("Python sets depth 3")
    canvas.wait("c.depth === 3")
    canvas.python_has_depth(3.0)
    canvas.get("c.setDepth(7)")
    canvas.python_has_depth(7.0)
    canvas.click("Python sets depth 3")  # the value it has passed before: the user stays
    assert canvas.get("c.depth") == 7


def test_arriving_frames_extend_the_axis(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(frames=3, depth=8)
    assert canvas.get("[c.depth, c.computed]") == [2, 2]
    slider = canvas.page.get_by_role("slider", name="Depth")
    expect(slider).to_have_attribute("aria-valuetext", "block 2 of 8, computed up to 2")
    uploads = canvas.get("c.stats.uploads")
    canvas.click("Another frame")
    canvas.wait("c.computed === 3")
    assert canvas.get("c.depth") == 3, "an untouched depth at the end follows"
    assert canvas.get("c.stats.uploads") == uploads + 1, "only the new frame is uploaded"
    slider.focus()
    canvas.page.keyboard.press("ArrowLeft")
    canvas.python_has_depth(2.0)
    canvas.click("Another frame")
    canvas.wait("c.computed === 4")
    assert canvas.get("c.depth") == 2, "a depth that the user chose stays"
    canvas.get("c.setDepth(99)")
    assert canvas.get("c.depth") == 4, "only what is computed can be seen"
    assert canvas.get("c.frames") == [1, 5]


def test_a_depth_from_a_link_stays_while_frames_arrive(open_canvas: Callable[..., Canvas]) -> None:
    """The newest frame happens to be the wanted one for a while: no reason to follow it further."""
    canvas = open_canvas(frames=3, depth=3)
    canvas.click("Another frame")
    canvas.wait("c.computed === 3 && c.depth === 3")
    canvas.click("Another frame")
    canvas.wait("c.computed === 4")
    assert canvas.get("c.depth") == 3


def test_playing_waits_for_frames_that_are_still_computed(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(frames=2)
    canvas.page.get_by_label("Playing speed").select_option("4×")
    canvas.page.get_by_role("button", name="Play").click()
    canvas.wait("c.depth === 1")
    assert canvas.get("c.playing")
    canvas.click("Another frame")
    canvas.wait("c.depth === 2")


def test_other_data_are_uploaded_and_shown(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=4)
    canvas.page.mouse.click(*canvas.on_page(1, ISOLATED))
    canvas.wait(f"c.pinned === {ISOLATED}")
    canvas.click("Other data")
    frames = make_frames(N, 9, seed=1)
    canvas.wait(f"Math.abs(c.positions(1)[2] - {frames[4, 1, 0]}) < 1e-3")
    assert (np.abs(canvas.array("c.positions(1)") - frames[4]).max(axis=0) <= quantisation(frames[4])).all()
    assert canvas.get("c.pinned") == -1, "other tokens: what was pinned is gone"
    assert canvas.get("c.depth") == 4


def test_a_lost_context_is_restored(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.page.evaluate(
        """() => { for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
          const plot = host.shadowRoot?.querySelectorAll('.plot canvas')[1];
          if (plot) { window.gl = plot.getContext('webgl2'); window.loss = gl.getExtension('WEBGL_lose_context'); }
        } loss.loseContext(); }"""
    )
    canvas.page.wait_for_function("() => gl.isContextLost()")
    canvas.get("c.setDepth(5)")
    canvas.next_frame()
    draws = canvas.get("c.stats.draws")
    canvas.page.evaluate("() => loss.restoreContext()")
    canvas.page.wait_for_function("() => !gl.isContextLost()")
    canvas.wait(f"c.stats.draws > {draws}")
    place = canvas.screen(1, ISOLATED)
    canvas.page.wait_for_function(f"() => {FIND}.readPixel(1, {place[0]}, {place[1]})[3] > 250")
    assert has_class_colour(canvas.pixel(1, *place), 0)


def test_a_context_that_does_not_come_back_is_replaced(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.get("c.select([0, 1, 2])")
    canvas.page.evaluate(
        """() => { for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
          const plot = host.shadowRoot?.querySelectorAll('.plot canvas')[1];
          plot?.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext();
        } }"""
    )
    canvas.wait("c.renderers[1] === '2d'")
    assert canvas.get("c.renderers") == ["webgl2", "2d"]
    canvas.get("c.setDepth(5)")
    assert has_class_colour(canvas.pixel(1, *canvas.screen(1, ISOLATED)), 0)
    dimmed = int(np.argmin(make_frames(N, 9)[5, :, 0]))  # stands at the rim, with nothing on top
    assert 0 < canvas.pixel(1, *canvas.screen(1, dimmed))[3] < 140


def test_without_webgl_the_same_points_are_drawn(context: BrowserContext, open_canvas: Callable[..., Canvas]) -> None:
    page = context.new_page()
    page.add_init_script(
        """const original = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind === 'webgl2' ? null : original.call(this, kind, ...rest);
        };"""
    )
    canvas = open_canvas(page)
    assert canvas.get("c.renderers") == ["2d", "2d"]
    for depth in (0, 4.5):
        canvas.get(f"c.setDepth({depth})")
        place = canvas.screen(1, ISOLATED)
        assert has_class_colour(canvas.pixel(1, *place), 0)
        assert canvas.pixel(1, place[0] + 12, place[1] + 12)[3] == 0
    page.get_by_role("button", name="0", exact=True).click()
    assert canvas.pixel(1, *place)[3] == 0
    page.close()


def test_hover_shows_the_token_in_all_panels(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=2.5)
    page = canvas.page
    tooltip = page.locator(".tooltip")
    frames = make_frames(N, 9)
    outermost = int(np.argmin(frames[2, :, 0] + frames[3, :, 0]))  # a second token with nothing around it
    for panel, index in ((1, ISOLATED), (0, ISOLATED), (1, outermost)):
        page.mouse.move(*canvas.on_page(panel, index))
        canvas.wait(f"c.hovered === {index}")
        expect(tooltip).to_be_visible()
        expect(tooltip.locator(".text")).to_have_text(str(make_labels(N)[index]))
        expect(tooltip.locator(".index").first).to_have_text(f"index {index}")
        expect(tooltip.locator("canvas")).to_be_visible()
        alpha = """(image) => {
          const data = image.getContext('2d').getImageData(0, 0, image.width, image.height).data;
          return [image.width, image.height, data.filter((value, i) => i % 4 === 3 && value === 255).length];
        }"""
        assert tooltip.locator("canvas").evaluate(alpha) == [28, 28, 4 * 12]
        rings = page.locator(".ring:not(.pinned)")
        for other in (0, 1):
            expect(rings.nth(other)).to_be_visible()
            ring = rings.nth(other).bounding_box()
            assert ring is not None
            centre = (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
            assert centre == pytest.approx(canvas.on_page(other, index), abs=0.6)
    page.mouse.click(*canvas.on_page(1, ISOLATED))
    page.mouse.move(0, 0)
    canvas.wait(f"c.hovered === -1 && c.pinned === {ISOLATED}")
    expect(tooltip).to_be_hidden()  # the pinned token is in the side panel
    pinned = page.get_by_role("region", name="Pinned token")
    expect(pinned.locator(".head")).to_have_text(f"0index {ISOLATED}")
    x, y = canvas.on_page(1, ISOLATED)
    page.mouse.click(x - 60, y + 100)
    expect(pinned).to_be_hidden()


def test_the_theme_changes_everything_but_the_points(browser: Browser, open_canvas: Callable[..., Canvas]) -> None:
    with browser.new_context(color_scheme="light") as other:
        canvas = open_canvas(other.new_page())
        root = canvas.page.locator(".latent-canvas")
        brightness = "(node) => Math.max(...getComputedStyle(node).color.match(/[\\d.]+/g).slice(0, 3).map(Number))"
        assert root.evaluate(brightness) < 80, "dark text on a light ground"
        light = root.evaluate("(node) => getComputedStyle(node).color")
        canvas.next_frame()
        counts = canvas.get("[c.stats.draws, c.stats.uploads]")
        canvas.page.emulate_media(color_scheme="dark")
        expect(root).not_to_have_css("color", light)
        assert root.evaluate(brightness) > 180
        canvas.next_frame()
        assert canvas.get("[c.stats.draws, c.stats.uploads]") == counts
        assert canvas.pixel(1, 3, 3) == [0, 0, 0, 0], "the ground is the page's"
        assert has_class_colour(canvas.pixel(1, *canvas.screen(1, ISOLATED)), 0)


def test_a_removed_canvas_leaves_nothing_behind(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    page = canvas.page
    page.evaluate(f"() => {{ window.old = {FIND}; }}")
    assert page.evaluate("() => digitSpriteRegistry.listeners.size") == 1
    canvas.click("Hide or show")
    page.wait_for_function(f"() => {FIND} === null && digitSpriteRegistry.listeners.size === 0")
    canvas.click("Hide or show")
    canvas.wait("c.stats.firstDrawMs !== null")
    assert canvas.get("c !== window.old")
    assert has_class_colour(canvas.pixel(1, *canvas.screen(1, ISOLATED)), 0)


def test_panels_stack_on_a_phone(browser: Browser, open_canvas: Callable[..., Canvas]) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=3, has_touch=True) as phone:
        canvas = open_canvas(phone.new_page())
        still, moving = [plot.bounding_box() for plot in canvas.page.locator(".plot").all()]
        assert still is not None
        assert moving is not None
        assert still["x"] == moving["x"]
        assert moving["y"] + moving["height"] < still["y"], "the panel that moves comes first"
        overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert canvas.page.evaluate(overflow) <= 0
        assert has_class_colour(canvas.pixel(1, *canvas.screen(1, ISOLATED)), 0)  # at three device pixels per pixel
        canvas.page.locator(".plot").first.scroll_into_view_if_needed()
        canvas.page.touchscreen.tap(*canvas.on_page(0, ISOLATED))
        canvas.wait(f"c.pinned === {ISOLATED}")


def test_everything_is_reachable_with_tab(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.page.locator(".plot").first.focus()
    focused = """() => {
      let node = document.activeElement;
      while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
      return node.getAttribute('aria-label') ?? node.textContent;
    }"""
    names = [canvas.page.evaluate(focused)]
    for _ in range(25):
        canvas.page.keyboard.press("Tab")
        names.append(canvas.page.evaluate(focused))
    labels = [str(label) for label in range(10)]
    assert names[0].startswith("Random projection, Y W")
    assert names[1].startswith("Block 0")
    tools = ["Pan", "Lasso", "Box", "New selection", "Add to selection", "Subtract from selection"]
    look = ["Colour by", "Search label or #index", "Look", "Reset view"]
    assert names[2:] == ["Play", "Depth", "Playing speed", *tools, *labels, *look, "Table"]
