"""A drawing, or a picture of a digit, as a token like MNIST's: ink bright on black, scaled and centred as theirs are.

LeCun, Cortes & Burges, "The MNIST database of handwritten digits": the digits "were size normalized to fit in a 20×20
pixel box while preserving their aspect ratio. The resulting images contain grey levels as a result of the anti-aliasing
technique used by the normalization algorithm. The images were centered in a 28×28 image by computing the center of mass
of the pixels, and translating the image so as to position this point at the center of the 28×28 field." In the files
that point is the pixel (14, 14), counted from 0, to within half a pixel: the shift is by whole pixels.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dr_transformer.errors import InputError

SIDE = 28
BOX = 20
CENTRE = 14
MAX_BYTES = 8 * 2**20
MAX_PIXELS = 16_000_000
_RASTER = 560  # pixels along a side of what strokes are drawn into: 20 for each of the token
_FAINT = 25  # of 255: what is fainter is no ink, but the grain of a scan or the rim of a stroke
_LEAST_CONTRAST = 48  # of 255: between the ground and the strongest ink

Pixels = npt.NDArray[np.uint8]


def token_from_png(content: bytes, name: str = "the picture") -> Pixels:
    """The token (28, 28) that a PNG file shows. `name` is the file's, for sentences.

    A picture of 28 × 28 pixels is a token already and is taken as it is, or inverted if it is dark on light; all
    others are drawings, which `token_from_ink` scales and centres. Raises `InputError`.
    """
    grey = read_png(content, name)
    ink = 255 - grey if np.median(_border(grey)) > 127 else grey
    if ink.shape == (SIDE, SIDE):
        _check_contrast(ink, name)
        return ink
    return token_from_ink(ink, name)


def token_from_ink(ink: Pixels, name: str = "the drawing") -> Pixels:
    """The token (28, 28) of a drawing (h, w), bright on dark: its ink fitted into 20 × 20 pixels and centred.

    The ground, the median along the border, becomes 0 and the strongest ink 255. Raises `InputError` without ink.
    """
    _check_contrast(ink, name)
    ground = float(np.median(_border(ink)))
    ink = np.clip((ink - ground) * (255 / (float(ink.max()) - ground)), 0, 255).astype(np.uint8)
    rows, columns = (np.flatnonzero((ink > _FAINT).any(axis=axis)) for axis in (1, 0))
    cut = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = BOX / max(cut.size)
    width, height = (max(1, round(length * scale)) for length in cut.size)
    scaled = np.asarray(cut.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float64)
    top, left = (round(CENTRE - middle) for middle in centre_of_mass(scaled))
    field = np.zeros((SIDE + 2 * BOX, SIDE + 2 * BOX))  # with room for what a lopsided drawing leaves outside
    field[BOX + top : BOX + top + height, BOX + left : BOX + left + width] = scaled * (255 / scaled.max())
    return np.rint(field[BOX : BOX + SIDE, BOX : BOX + SIDE]).astype(np.uint8)


def ink_from_strokes(strokes: Sequence[npt.NDArray[np.floating]], size: float, pen: float) -> Pixels | None:
    """Strokes, each (m, 2) of x and y on a board of `size` × `size`, as ink (h, w) of a round `pen`; None without any.

    Drawn here rather than by the browser: some browsers, for privacy, falsify the pixels that a page reads back.
    """
    if not strokes:
        return None
    scale = _RASTER / size
    field = Image.new("L", (_RASTER, _RASTER))
    draw = ImageDraw.Draw(field)
    radius = pen * scale / 2
    for stroke in strokes:
        places = [(float(x), float(y)) for x, y in stroke * scale]
        draw.line(places, fill=255, width=round(2 * radius))
        for x, y in places:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(field)


def png(image: Pixels) -> bytes:
    """An image (h, w) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def read_png(content: bytes, name: str = "the picture") -> Pixels:
    """The grey levels (h, w) of a PNG file; what is transparent lies on white or black, whichever the ink is not.

    Raises `InputError` for what is no PNG, is damaged, or has more than `MAX_BYTES` or `MAX_PIXELS`.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES // 2**20} MB; save the digit alone, as a smaller PNG.")
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        raise InputError(f"{name} is no PNG picture; save the digit as PNG and give that.")
    width, height = struct.unpack(">II", content[16:24])  # before Pillow makes room for the pixels
    _check_size(width, height, name)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            _check_size(picture.width, picture.height, name)  # that of a second header, if there is one
            return _grey(picture)
    except InputError:
        raise
    except Exception as error:  # Pillow and zlib raise a dozen kinds for a damaged file
        raise InputError(f"{name} cannot be read, so it may be damaged; save it as PNG again.") from error


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width} × {height} pixels, more than {MAX_PIXELS // 10**6} million; cut it to the digit."
        )


def centre_of_mass(image: npt.NDArray[np.generic]) -> tuple[float, float]:
    """(row, column) of the centre of mass of an image (h, w) with ink, counted from the middle of the first pixel."""
    mass = image.astype(np.float64)
    total = mass.sum()
    rows, columns = (np.arange(length) for length in mass.shape)
    return float((mass.sum(axis=1) @ rows) / total), float((mass.sum(axis=0) @ columns) / total)


def _grey(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off rather than scale
        return (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
    if "A" not in picture.mode and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    grey, alpha = (np.asarray(band).astype(np.float64) for band in picture.convert("RGBA").convert("LA").split())
    ink_is_dark = (grey * alpha).sum() < 128 * alpha.sum()
    ground = 255.0 if ink_is_dark else 0.0
    return np.rint(ground + (grey - ground) * alpha / 255).astype(np.uint8)


def _border(grey: Pixels) -> Pixels:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _check_contrast(ink: Pixels, name: str) -> None:
    if float(ink.max()) - float(np.median(_border(ink))) < _LEAST_CONTRAST:
        raise InputError(f"{name} shows no digit: there is hardly any ink on its ground; draw one, with a border.")
