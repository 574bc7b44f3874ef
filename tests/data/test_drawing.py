"""Drawings and pictures as tokens: scaled and centred as MNIST's, whatever the file, and read as digits as well."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from dr_transformer import Config, InputError, load
from dr_transformer.data.drawing import (
    BOX,
    CENTRE,
    MAX_BYTES,
    SIDE,
    centre_of_mass,
    ink_from_strokes,
    png,
    read_png,
    token_from_ink,
    token_from_png,
)
from dr_transformer.model.landmarks import Landmarks


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def drawn(image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """An MNIST digit as somebody would draw it on a board: black or white, large, and anywhere."""
    side = int(random.uniform(140, 280))
    big = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    board = np.zeros((300, 300), np.uint8)
    top, left = random.randint(0, 300 - side, 2)
    board[top : top + side, left : left + side] = np.where(big > 127, 255, 0)
    return board


def ink_box(image: np.ndarray) -> tuple[int, int]:
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_mnist_is_centred_as_the_source_says() -> None:
    centres = np.array([centre_of_mass(image) for image in load("mnist", 1000).images])
    assert np.abs(centres - CENTRE).max() <= 0.5
    assert np.abs(centres - CENTRE).max() > 0.45  # by whole pixels


def test_drawings_of_any_size_and_place_are_scaled_and_centred() -> None:
    random = np.random.RandomState(0)
    for image in load("mnist", 60).images:
        token = token_from_ink(drawn(image, random))
        assert token.shape == (SIDE, SIDE)
        assert token.dtype == np.uint8
        assert token.max() == 255
        assert max(ink_box(token)) in (BOX - 1, BOX)  # the rim may round to 0
        assert np.abs(np.array(centre_of_mass(token)) - CENTRE).max() <= 0.52  # greys are rounded after the shift
        height, width = ink_box(token)
        original = ink_box(image > 100)
        assert height / width == pytest.approx(original[0] / original[1], rel=0.25)


def test_mnist_itself_hardly_changes() -> None:
    images = load("mnist", 1000).images
    tokens = np.stack([token_from_ink(image) for image in images])
    assert (tokens == images).all(axis=(1, 2)).mean() > 0.5  # rims fainter than a tenth are left out of the box
    assert np.abs(tokens.astype(float) - images).mean() < 0.2


def test_drawn_digits_are_read_as_well_as_those_of_mnist() -> None:
    """Held-out digits, as they are and drawn on a board: their 5-NN accuracy among the fitted latents is the same."""
    dataset, config = load("mnist", 2500), Config(n_components=64)
    fitted, held = np.arange(2000), np.arange(2000, 2500)
    landmarks = Landmarks.of(dataset.Y, fitted, config)
    random = np.random.RandomState(0)
    boards = np.stack([token_from_ink(drawn(image, random)) for image in dataset.images[held]])

    def accuracies(images: np.ndarray) -> list[float]:
        X = landmarks.follow(images.reshape(len(images), -1), every_block=True)
        found = []
        for block in (0, 4, 8):
            classifier = KNeighborsClassifier(5).fit(landmarks.latents[block].numpy(), dataset.labels[fitted])
            found.append(float((classifier.predict(X[block]) == dataset.labels[held]).mean()))
        return found

    as_they_are, as_drawn = accuracies(dataset.images[held]), accuracies(boards)
    assert min(as_they_are) > 0.7
    assert as_drawn == pytest.approx(as_they_are, abs=0.03)


def test_strokes_become_ink() -> None:
    line = np.array([[40.0, 140.0], [240.0, 140.0]])
    ink = ink_from_strokes([line], 280, 24)
    assert ink is not None
    height, width = ink_box(ink)
    assert (height, width) == (pytest.approx(48, abs=2), pytest.approx(2 * 224, abs=2))  # 560 pixels for 280 units
    assert ink[280, 280] == 255
    dot = ink_from_strokes([np.array([[140.0, 70.0]])], 280, 24)
    assert dot is not None
    assert ink_box(dot) == (pytest.approx(48, abs=2), pytest.approx(48, abs=2))
    assert centre_of_mass(dot) == (pytest.approx(140, abs=1), pytest.approx(280, abs=1))
    assert ink_from_strokes([], 280, 24) is None
    token = token_from_ink(dot)
    assert ink_box(token) == (pytest.approx(BOX, abs=1), pytest.approx(BOX, abs=1))


def test_all_kinds_of_png_show_the_same_digit() -> None:
    ink = drawn(load("mnist", 10).images[3], np.random.RandomState(1))
    bright, dark = Image.fromarray(ink), Image.fromarray(255 - ink)
    black_on_nothing = Image.merge("LA", (Image.new("L", bright.size, 0), bright))
    white_on_nothing = Image.merge("RGBA", (*[Image.new("L", bright.size, 255)] * 3, bright))
    palette = dark.convert("P")
    palette_with_hole = bright.quantize(2, dither=Image.Dither.NONE)
    hole = min(range(2), key=lambda i: sum(palette_with_hole.getpalette()[3 * i : 3 * i + 3]))
    sixteen = Image.fromarray(ink.astype(np.uint16) * 257)
    files = [
        *(saved(each) for each in (bright, dark, dark.convert("RGB"), black_on_nothing, white_on_nothing, palette)),
        saved(palette_with_hole, transparency=hole),
        saved(dark.convert("1")),
        saved(sixteen),
    ]
    expected = token_from_ink(ink)
    for content in files:
        np.testing.assert_array_equal(token_from_png(content), expected)


def test_a_picture_of_28_by_28_is_a_token_already() -> None:
    for image in load("mnist", 20).images:
        np.testing.assert_array_equal(token_from_png(png(image)), image)
        np.testing.assert_array_equal(token_from_png(png(255 - image)), image)


def test_a_grey_ground_becomes_black() -> None:
    ink = drawn(load("mnist", 10).images[0], np.random.RandomState(1))
    photographed = (200 - ink.astype(float) * 0.6).astype(np.uint8)  # grey paper, grey ink
    np.testing.assert_allclose(token_from_png(png(photographed)), token_from_ink(ink), atol=3)


def header_only(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def with_second_header(width: int, height: int) -> bytes:
    """A PNG whose first header is small; the last one before the pixels is what counts."""
    small = png(np.zeros((4, 4), np.uint8))
    return small[:33] + header_only(width, height)[8:] + small[33:]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a.png is no PNG picture"),
        (b"GIF89a" + bytes(40), "a.png is no PNG picture"),
        (png(np.eye(50, dtype=np.uint8) * 255)[:70], "a.png cannot be read, so it may be damaged"),
        (header_only(50_000, 50_000), "50000 × 50000 pixels, more than 16 million"),
        (header_only(0, 0), "a.png cannot be read"),
        (with_second_header(9000, 9000), "9000 × 9000 pixels, more than 16 million"),
        (bytes(MAX_BYTES + 1), "more than 8 MB"),
        (png(np.full((50, 50), 255, np.uint8)), "a.png shows no digit"),
        (png(np.full((28, 28), 7, np.uint8)), "a.png shows no digit"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_said_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        token_from_png(content, "a.png")


def test_a_large_picture_is_read() -> None:
    assert read_png(png(np.zeros((4000, 4000), np.uint8))).shape == (4000, 4000)
