"""Every template in every format, opened by another library: sizes, points, colours, letters, images."""

import base64
import io
import math
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from pypdf import PdfReader

from dr_transformer import InputError
from dr_transformer.config import Config, ViewConfig
from dr_transformer.export.charts import Matrix
from dr_transformer.export.content import MAX_PANELS, latents_needed
from dr_transformer.export.figure_config import TEMPLATES, FigureConfig
from dr_transformer.export.templates import Map, Maps
from dr_transformer.model.attention import attention_rows
from dr_transformer.model.planes import laid_on
from dr_transformer.palette import PETROFF10, SEQUENTIAL, TAB10
from tests.export.drawings import (
    CONFIG,
    HREF,
    SVG,
    N,
    affine,
    colours,
    curves,
    data,
    drawing,
    drawn,
    group,
    points,
    run,
)
from tests.helpers.plain_views import pca_view

PANELS = {"figure1": 2, "strip": 3, "methods": 2, "metrics": 0, "attention": 0}  # with points


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_png_has_as_many_pixels_as_inches_times_dpi(template: str) -> None:
    own = drawing(FigureConfig(template=template)).size
    assert own == (8, 4) or template != "figure1"
    for options in ({"dpi": 50}, {"dpi": 72, "width": 5.0, "height": 3.0}):
        with Image.open(io.BytesIO(drawn("png", template=template, **options).content)) as image:
            width, height = options.get("width", own[0]), options.get("height", own[1])
            assert image.format == "PNG"
            asked = np.array([width, height]) * options["dpi"]
            assert np.abs(np.array(image.size) - asked).max() < (1 if "width" not in options else 1e-6)


@pytest.mark.parametrize("template", TEMPLATES)
def test_points_of_a_pdf_are_vectors_and_its_fonts_are_in_it(template: str) -> None:
    rendered = drawn("pdf", template=template)
    (page,) = PdfReader(io.BytesIO(rendered.content)).pages
    own = drawing(FigureConfig(template=template)).size
    np.testing.assert_allclose((page.mediabox.width, page.mediabox.height), np.array(own) * 72, atol=1e-3)
    drawings = len(re.findall(rb"/P[0-9]+\s+Do", page.get_contents().get_data()))
    assert drawings == PANELS[template] * N
    assert rendered.note == (f"All {PANELS[template] * N} points are vectors." if PANELS[template] else "")
    fonts = page["/Resources"]["/Font"].get_object()
    assert bool(fonts) == (template != "figure1")
    for font in fonts.values():
        descendants = font.get("/DescendantFonts")
        descriptor = (descendants[0] if descendants else font)["/FontDescriptor"]
        assert len(descriptor["/FontFile2"].get_data()) > 1000  # TrueType
    if template == "strip":
        assert [f"block {b}" in page.extract_text() for b in (0, 1, 2, 3)] == [True, True, True, False]


@pytest.mark.parametrize(
    "view", [ViewConfig(), ViewConfig(first_axis=3, second_axis=99), ViewConfig(view="pca")], ids=str
)
def test_figure1_shows_projection_and_last_block(view: ViewConfig) -> None:
    svg = drawn("svg", view).content
    start, latents = run()
    expected = [start, latents[2]]
    if view.view == "pca":
        planes = [pca_view([start])[0], pca_view([latents[block] for block in (0, 1, 2)])[2]]
    else:
        planes = [X[:, [view.first_axis, min(view.second_axis, 15)]] for X in expected]
    for number, plane in enumerate(planes):
        affine(plane, points(svg, f"points-{number}"))
        assert colours(svg, f"points-{number}") == [TAB10[label] for label in data().labels]
    assert b"<text" not in svg


def test_a_strip_shows_every_block_at_one_scale_on_both_axes() -> None:
    svg = drawn("svg", template="strip", palette="petroff10").content
    _, latents = run()
    for block in (0, 1, 2):
        slopes = affine(latents[block][:, :2], points(svg, f"points-{block}"))
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-4)
        assert colours(svg, f"points-{block}") == [PETROFF10[label] for label in data().labels]
    final = drawn("svg", ViewConfig(scale="final"), template="strip").content
    sizes = [affine(latents[b][:, :2], points(final, f"points-{b}"))[0] for b in (0, 1, 2)]
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-4)


def test_methods_stand_side_by_side_and_what_is_missing_says_why() -> None:
    _, latents = run()
    made = drawing(FigureConfig(template="methods", block=1), align="transformer")
    assert isinstance(made, Maps)
    transformer, pca, umap = made.panels
    np.testing.assert_array_equal(transformer.points, latents[1][:, :2])
    assert transformer.title == "Transformer, block 1"
    assert (umap.points, umap.title) == (None, "UMAP: it was stopped")
    plain = drawing(FigureConfig(template="methods", block=1))
    assert isinstance(plain, Maps)
    assert plain.panels[1].points is not None
    np.testing.assert_allclose(pca.points, laid_on(plain.panels[1].points[None], latents[1][:, :2])[0], rtol=1e-4)
    svg = drawn("svg", template="methods").content
    affine(plain.panels[1].points, points(svg, "points-1"))


def test_above_the_limit_points_are_an_image_and_letters_are_not() -> None:
    limit = 3 * N
    for most, rasterised in ((limit, False), (limit - 1, True)):
        svg = drawn("svg", template="strip", max_vector_points=most, dpi=100)
        images = list(group(svg.content, "figure_1").iter(f"{SVG}image"))
        assert bool(images) == rasterised
        assert f"{limit} points" in svg.note
        assert ("image of 100 dpi" in svg.note) == rasterised
        assert b"<!-- block 2 -->" in svg.content  # as outlines, for no letter depends on a font
        pdf = drawn("pdf", template="strip", max_vector_points=most, dpi=100)
        (page,) = PdfReader(io.BytesIO(pdf.content)).pages
        assert bool(page.images) == rasterised
        assert "block 2" in page.extract_text()


def test_svg_letters_are_outlines_in_the_file() -> None:
    for template in ("strip", "metrics", "attention"):
        svg = drawn("svg", template=template).content
        assert b"<text" not in svg
        assert b"font-family" not in svg
        assert svg.count(b'id="DejaVuSans-') > 5


def test_curves_are_the_measured_ones() -> None:
    svg = drawn("svg", template="metrics").content
    for number, values in enumerate(curves().values()):
        marks = group(svg, f"curve-{number}")
        shown = np.array([[float(use.get("x")), float(use.get("y"))] for use in marks.iter(f"{SVG}use")])
        affine(np.column_stack([range(3), values]), shown)


def test_attention_is_the_matrix_ordered_by_class() -> None:
    labels = data().labels
    assert labels is not None
    order = np.argsort(labels, kind="stable")
    X = torch.from_numpy(run()[1][2])
    A = attention_rows(X, torch.arange(N), alpha=12.5).numpy()[order][:, order]
    made = drawing(FigureConfig(template="attention"))
    assert isinstance(made, Matrix)
    np.testing.assert_allclose(made.cells, A, rtol=1e-5)
    assert [name for name, _ in made.classes] == list(data().class_names)
    assert [round(share * N) for _, share in made.classes] == [int((labels < c).sum()) for c in range(10)]
    svg = drawn("svg", template="attention").content
    href = next(group(svg, "axes_1").iter(f"{SVG}image")).get(HREF)
    with Image.open(io.BytesIO(base64.b64decode(href.split(",")[1]))) as image:
        shown = np.asarray(image.convert("RGB"))
    assert shown.shape == (N, N, 3)
    high, low = A.max(), max(A[A > 0].min(), A.max() / 1e5)
    shares = np.log(A[A > 0] / low).clip(0) / math.log(high / low)
    level = np.minimum((shares * len(SEQUENTIAL)).astype(int), len(SEQUENTIAL) - 1)
    expected = np.array([list(bytes.fromhex(colour[1:])) for colour in SEQUENTIAL])
    off = np.abs(shown[A > 0].astype(int) - expected[level]).max(axis=1)
    assert (off <= 6).all()  # a neighbouring level, where the share lies between two


def test_a_block_may_be_chosen() -> None:
    made = drawing(FigureConfig(template="attention", block=0))
    assert isinstance(made, Matrix)
    assert made.title == "Attention at the latents of block 0"
    A = attention_rows(torch.from_numpy(run()[1][0]), torch.arange(N), alpha=12.5).numpy()
    assert made.cells.sum() == pytest.approx(A.sum(), rel=1e-5)
    assert made.cells.max() == pytest.approx(A.max(), rel=1e-5)


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_the_same_settings_give_the_same_bytes_whatever_matplotlib_is_told(kind: str) -> None:
    first = drawn(kind, template="strip", dpi=60).content
    drawn.cache_clear()
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.facecolor": "red", "savefig.bbox": "tight"}):
        again = drawn(kind, template="strip", dpi=60).content
        assert again == first
        assert again is not first
        assert mpl.rcParams["font.size"] == 30
    assert drawn(kind, template="strip", dpi=60, titles=False).content != first


def test_what_is_kept_of_a_run() -> None:
    config = Config(n_blocks=4)
    for options, view, expected in (
        (FigureConfig(), ViewConfig(), {4}),
        (FigureConfig(), ViewConfig(view="fixed-pca", view_block=2), {2, 4}),
        (FigureConfig(), ViewConfig(view="fixed-pca"), {4}),
        (FigureConfig(template="methods", block=1), ViewConfig(view="aligned-pca"), {0, 1}),
        (FigureConfig(template="attention", block=3), ViewConfig(view="aligned-pca"), {3}),
        (FigureConfig(template="strip"), ViewConfig(), {0, 1, 2, 3, 4}),
        (FigureConfig(template="metrics"), ViewConfig(), {0, 1, 2, 3, 4}),
    ):
        assert latents_needed(options, config, view) == expected, options


@pytest.mark.parametrize(
    ("options", "config", "sentence"),
    [
        ({"template": "attention", "block": 3}, CONFIG, "block = 3 is not there: this run has the blocks 0 to 2"),
        ({"template": "strip"}, Config(n_blocks=MAX_PANELS), f"a strip of {MAX_PANELS + 1} panels cannot be read"),
    ],
)
def test_what_cannot_be_drawn(options: dict[str, object], config: Config, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        latents_needed(FigureConfig(**options), config, ViewConfig())  # type: ignore[arg-type]


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="130 million pixels, more than 80 million"):
        FigureConfig(width=12.0, height=7.5, dpi=1200).size((8, 4))


def names_drawn(maps: Maps, template: str = "strip", **options: object) -> list[dict[str, tuple[float, float, float]]]:
    """For each panel the names on it: where, and how opaque."""
    figure = Figure()
    maps.draw(figure, FigureConfig(template, **options))
    return [{t.get_text(): (*t.get_position(), t.get_alpha()) for t in place.texts} for place in figure.axes]


def test_names_stand_on_classes_that_have_gathered_and_on_no_others() -> None:
    rng = np.random.default_rng(0)
    where = {"$here$": ([3, 0], 0.1), "there": ([-3, 0], 0.1), "everywhere": ([0, 0], 3.0)}
    points = np.concatenate([at + spread * rng.normal(size=(50, 2)) for at, spread in where.values()])
    labels = np.repeat([0, 1, 2], 50)
    maps = Maps([Map("some", points)], labels, tuple(where), columns=1, side=4)
    [shown] = names_drawn(maps)
    assert list(shown) == ["$here$", "there"]
    for c, (x, y, opacity) in enumerate(shown.values()):
        np.testing.assert_allclose((x, y), np.median(points[labels == c], axis=0))
        assert opacity == 1
    assert names_drawn(maps, class_names=False) == [{}]
    one_place = Maps([Map("one", np.zeros((150, 2)))], labels, tuple(where), columns=1, side=4)
    assert names_drawn(one_place) == [{}]
    assert names_drawn(Maps([Map("some", points)], None, (), columns=1, side=4)) == [{}]


def test_the_papers_figure_is_bare_unless_names_are_asked_for() -> None:
    assert not FigureConfig("figure1").named
    assert FigureConfig("figure1", class_names=True).named
    assert FigureConfig("strip").named
    assert b"<text" not in drawn("svg", template="figure1").content
    made = drawing(FigureConfig("figure1"))
    assert isinstance(made, Maps)
    assert any(names_drawn(made, template="figure1", class_names=True))
    for kind in ("png", "pdf", "svg"):
        assert drawn(kind, template="figure1", class_names=True).content != drawn(kind, template="figure1").content
