from __future__ import annotations

import base64
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dr_transformer.canvas.blob import (
    Blob,
    default_opacity,
    default_point_size,
    digest,
    pack_canvas,
    pack_extras,
    pack_images,
    selection_bits,
    selection_from_text,
)
from dr_transformer.canvas.parts import Attended, CanvasSpec, Colouring, Panel, Pin, classes
from dr_transformer.data.dataset import load
from dr_transformer.data.reading.rows import MAX_CLASSES
from dr_transformer.palette import PETROFF10, SEQUENTIAL, TAB10, class_colours
from tests.helpers.blobs import decode, read, unpack


def spec(frames: np.ndarray, labels: np.ndarray | None = None, **settings: Any) -> CanvasSpec:
    depths = tuple(float(i) for i in range(len(frames)))
    arguments: dict[str, Any] = {
        "labels": np.arange(frames.shape[1]) % 2 if labels is None else labels,
        "class_names": ["even", "odd"],
        "dataset_key": "test",
        "n_blocks": len(frames) - 1,
    }
    return CanvasSpec([Panel("panel", frames, depths, "x", "y")], **(arguments | settings))


def canvas_blob(frames: np.ndarray, labels: np.ndarray | None = None, **settings: Any) -> tuple[dict[str, Any], bytes]:
    return unpack(pack_canvas(spec(frames, labels, **settings)))


def extras_blob(n: int, *colourings: Colouring, attended: Attended | None = None) -> tuple[dict[str, Any], bytes]:
    return unpack(pack_extras(spec(np.zeros((1, n, 2)), colourings=colourings, attended=attended)))


def test_arrays_come_back_from_aligned_places() -> None:
    blob = Blob()
    arrays = [np.arange(3, dtype=np.uint8), np.array([-7, 8], dtype=np.int16), np.arange(2, dtype=np.float32)]
    places = [blob.add(array) for array in arrays]
    header, packed = unpack(blob.pack({"name": "Größe", "places": places}))
    assert header == {"name": "Größe", "places": places}
    for place, array in zip(places, arrays, strict=True):
        assert place["start"] % 4 == 0
        np.testing.assert_array_equal(read(place, packed, array.dtype.str), array)


def test_big_endian_arrays_are_stored_little_endian() -> None:
    blob = Blob()
    place = blob.add(np.array([1, 2], dtype=">i2"))
    _, packed = unpack(blob.pack({}))
    np.testing.assert_array_equal(read(place, packed, "<i2"), [1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("centre", [0.0, 1e6])
def test_positions_are_exact_to_half_a_step(dtype: str, centre: float) -> None:
    frames = (np.random.RandomState(0).randn(3, 500, 2) * [1, 1e-2] * 10.0 + centre).astype(dtype)
    header, arrays = canvas_blob(frames)
    for packed, frame in zip(header["panels"][0]["frames"], frames, strict=True):
        exact = frame.astype(np.float64)
        error = np.abs(decode(packed, arrays) - exact)
        assert (error <= np.ptp(exact, axis=0) / 65534 * 0.5 * (1 + 1e-9) + 1e-12 * abs(centre)).all()
        np.testing.assert_array_equal(packed["extent"], [*exact.min(axis=0), *exact.max(axis=0)])


def test_one_place_for_all_points_is_kept_exactly() -> None:
    header, arrays = canvas_blob(np.full((1, 4, 2), 3.25))
    np.testing.assert_array_equal(decode(header["panels"][0]["frames"][0], arrays), np.full((4, 2), 3.25))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_frames_that_are_not_finite_are_refused(value: float) -> None:
    frames = np.zeros((2, 4, 2))
    frames[1, 2, 0] = value
    with pytest.raises(AssertionError, match="finite"):
        canvas_blob(frames)


def test_digests_tell_which_frames_changed() -> None:
    frames = np.random.RandomState(0).randn(3, 50, 2)
    changed = frames.copy()
    changed[1, 0] += 0.5
    before, after = (canvas_blob(each)[0]["panels"][0]["frames"] for each in (frames, changed))
    same = [a["digest"] == b["digest"] for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True]
    assert digest(np.arange(4)) == digest(np.arange(8)[:4]) != digest(np.arange(1, 5))


def test_classes_and_colours_reach_the_blob() -> None:
    labels = np.array([0, 2, 1, 2])
    names = ["a", "b", "c"]
    header, arrays = canvas_blob(np.zeros((1, 4, 2)), labels, class_names=names, palette=TAB10)
    np.testing.assert_array_equal(read(header["codes"], arrays, "u1"), labels)
    assert header["class_names"] == names
    assert header["colours"] == list(TAB10[:3])
    assert (header["palette"], header["palettes"]["paper (tab10)"]) == ("paper (tab10)", list(TAB10))


def test_labels_without_a_name_are_refused() -> None:
    with pytest.raises(AssertionError, match="class_names"):
        canvas_blob(np.zeros((1, 3, 2)), np.array([0, 1, 2]))


@pytest.mark.parametrize(
    "settings",
    [
        {"panels": []},
        {"labels": np.zeros(4, int)},
        {"labels": np.array([0, 1, -1])},
        {"pinned": Pin(3, 0)},
        {"images": np.zeros((4, 2, 2), np.uint8)},
    ],
)
def test_a_canvas_that_cannot_be_drawn_is_refused(settings: dict[str, Any]) -> None:
    good = spec(np.zeros((1, 3, 2)))
    with pytest.raises(AssertionError):
        replace(good, **settings)


def test_a_data_sets_tokens_bring_their_classes_and_images() -> None:
    digits = load("digits", 50)
    panel = Panel("panel", np.zeros((1, 50, 2)), (0.0,))
    shown = CanvasSpec.of(digits, [panel], 8)
    assert (shown.n_samples, shown.n_blocks, shown.dataset_key) == (50, 8, digits.key)
    assert shown.class_names == digits.class_names
    np.testing.assert_array_equal(shown.labels, digits.labels)
    np.testing.assert_array_equal(shown.images, digits.images)
    labels, names = classes(replace(digits, labels=None, class_names=()))
    assert (labels.tolist(), names) == ([0] * 50, ("token",))


@pytest.mark.parametrize(
    ("frames", "depths", "scale"),
    [
        (np.zeros((2, 3)), (0.0, 1.0), "frame"),
        (np.zeros((2, 3, 3)), (0.0, 1.0), "frame"),
        (np.zeros((2, 3, 2)), (0.0,), "frame"),
        (np.zeros((2, 3, 2)), (1.0, 1.0), "frame"),
        (np.zeros((2, 3, 2)), (0.0, 1.0), "first"),
    ],
)
def test_a_panel_that_cannot_be_drawn_is_refused(frames: np.ndarray, depths: tuple[float, ...], scale: str) -> None:
    with pytest.raises(AssertionError):
        Panel("panel", frames, depths, scale=scale)


def test_images_are_compressed_once_per_data_set() -> None:
    images = np.random.RandomState(0).randint(0, 256, (5, 8, 8)).astype(np.uint8)
    blob = pack_images(images, "images-a")
    header, arrays = unpack(blob)
    pixels = zlib.decompress(read(header["images"], arrays, "u1").tobytes())
    np.testing.assert_array_equal(np.frombuffer(pixels, "u1").reshape(5, 8, 8), images)
    assert (header["dataset_key"], header["width"], header["height"]) == ("images-a", 8, 8)
    assert pack_images(images, "images-a") is blob
    assert pack_images(images, "images-b") != blob


def test_many_points_are_smaller_and_fainter() -> None:
    sizes = [default_point_size(n) for n in (100, 10_000, 70_000)]
    opacities = [default_opacity(n) for n in (100, 10_000, 70_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert opacities == sorted(opacities, reverse=True)
    assert 2 <= sizes[-1] < sizes[0] <= 8


def test_a_short_palette_starts_anew() -> None:
    assert class_colours([str(i) for i in range(12)])[10:] == list(PETROFF10[:2])
    assert len(set(PETROFF10)) == len(set(TAB10)) == 10


def test_a_selection_survives_its_bits() -> None:
    chosen = np.array([70, 0, 7, 8, 8])
    bits = selection_bits(chosen, 71)
    assert len(bits) == 9
    text = base64.b64encode(bits.tobytes()).decode()
    np.testing.assert_array_equal(selection_from_text(text, 71), [0, 7, 8, 70])
    assert selection_from_text("", 71).size == 0
    header, arrays = canvas_blob(np.zeros((1, 71, 2)), selection=chosen)
    np.testing.assert_array_equal(read(header["selection"], arrays, "u1"), bits)
    with pytest.raises(AssertionError, match="indices of tokens"):
        selection_bits(np.array([71]), 71)


def test_continuous_values_are_exact_to_half_a_level() -> None:
    values = np.random.RandomState(0).randn(3, 50)
    values[1, 4] = np.nan
    header, arrays = extras_blob(50, Colouring("entropy", values, unit="nats"))
    (entry,) = header["colourings"]
    low, high = entry["low"], entry["high"]
    assert (low, high, entry["unit"]) == (np.nanmin(values), np.nanmax(values), "nats")
    for depth, (row, exact) in enumerate(zip(entry["panels"][0], values, strict=True)):
        assert row["depth"] == depth
        levels = read(row, arrays, "u1")
        np.testing.assert_array_equal(levels == 255, np.isnan(exact))
        known = levels < 255
        error = np.abs(low + levels[known] * ((high - low) / 254) - exact[known])
        assert (error <= (high - low) / 508 * (1 + 1e-9)).all()
    fixed, packed = extras_blob(50, Colouring("entropy", values[0], low=0.0, high=0.0))
    np.testing.assert_array_equal(  # an empty span: below or above
        read(fixed["colourings"][0]["panels"][0][0], packed, "u1"), np.rint(np.clip(values[0], 0, 1) * 254)
    )


def test_each_panel_may_have_its_own_values() -> None:
    first, second = np.linspace(0, 1, 6), np.linspace(2, 4, 12).reshape(2, 6)
    header, arrays = extras_blob(6, Colouring("kept", (first, second)))
    (entry,) = header["colourings"]
    assert (entry["low"], entry["high"]) == (0, 4)
    for rows, values in zip(entry["panels"], (first[None], second), strict=True):
        stored = np.stack([read(row, arrays, "u1") for row in rows])
        np.testing.assert_array_equal(stored, np.rint(values / 4 * 254))
    with pytest.raises(AssertionError, match="the same in all panels"):
        Colouring("cluster", (np.array([0]), np.array([1])), ["a", "b"])


def test_categories_keep_their_names_and_colours() -> None:
    values = np.arange(6) % 3
    mine = Colouring("cluster", values, ["a", "b", "c"], palette=["#000000", "#ffffff"])
    header, arrays = extras_blob(6, mine, Colouring("other", values, ["a", "b", "c"]))
    entry, other = header["colourings"]
    np.testing.assert_array_equal(read(entry["panels"][0][0], arrays, "u1"), values)
    assert entry["class_names"] == ["a", "b", "c"]
    assert entry["colours"] == ["#000000", "#ffffff", "#000000"]
    assert other["colours"] is None


@pytest.mark.parametrize(
    "settings",
    [
        {"values": np.zeros((2, 3, 1))},
        {"values": np.zeros(3, dtype=int)},
        {"values": np.array([0, 1, 2]), "class_names": ["a", "b"]},
        {"values": np.array([-1, 0]), "class_names": ["a", "b"]},
        {"values": np.zeros(3), "class_names": ["a"]},
        {"values": np.zeros((2, 3)), "depths": (1.0,)},
        {"values": np.zeros((2, 3)), "depths": (1.0, 1.0)},
    ],
)
def test_a_colouring_that_cannot_be_drawn_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Colouring("colouring", **settings)
    with pytest.raises(AssertionError, match="4 values"):
        extras_blob(5, Colouring("short", np.zeros(4)))


def test_attended_tokens_are_sorted_by_weight() -> None:
    attended = Attended(2, np.array([[0, 1, 3], [3, 2, 0]]), np.array([[0.1, 0.6, 0.3], [0.2, 0.2, 0.5]]))
    header, arrays = extras_blob(4, attended=attended)
    entry = header["attended"]
    assert (entry["index"], entry["k"], entry["depths"]) == (2, 3, [0.0, 1.0])
    np.testing.assert_array_equal(read(entry["indices"], arrays, "<u4"), [1, 3, 0, 0, 3, 2])
    np.testing.assert_allclose(read(entry["weights"], arrays, "<f4"), [0.6, 0.3, 0.1, 0.5, 0.2, 0.2])
    with pytest.raises(AssertionError, match="indices of tokens"):
        extras_blob(3, attended=attended)
    with pytest.raises(AssertionError, match="differ"):
        Attended(0, np.zeros((1, 2), dtype=int), np.zeros((1, 3)))


def test_as_many_classes_as_a_file_may_have_fit_in_a_byte() -> None:
    labels = np.arange(MAX_CLASSES)
    names = [str(label) for label in labels]
    header, arrays = canvas_blob(np.zeros((1, MAX_CLASSES, 2)), labels, class_names=names)
    np.testing.assert_array_equal(read(header["codes"], arrays, "u1"), labels)
    with pytest.raises(AssertionError, match="at most 256 classes, but there are 257"):
        canvas_blob(np.zeros((1, 2, 2)), class_names=[*names, "more"])


class Key(str):
    """A data set's key that lets other threads run whenever it is looked up."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(1e-4)
        return super().__hash__()


def test_sessions_that_pack_images_at_once_all_get_theirs() -> None:
    """More data sets than are kept, so that each session throws out what another is about to fetch."""
    images = [np.full((2, 2, 2), i, dtype=np.uint8) for i in range(6)]
    expected = [pack_images(pixels, str(i)) for i, pixels in enumerate(images)]

    def session(number: int) -> list[int]:
        asked = np.random.RandomState(number).randint(0, 6, 300).tolist()
        return [i for i in asked if pack_images(images[i], Key(i)) != expected[i]]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(session, range(4))) == [[]] * 4


def test_the_colour_map_gets_steadily_lighter_and_is_seen_on_white_and_black() -> None:
    linear = (np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SEQUENTIAL]) / 255) ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert len(SEQUENTIAL) == 128
    assert (np.diff(luminance) > -1e-3).all()
    assert 1.05 / (luminance[-1] + 0.05) > 1.5
    assert (luminance[0] + 0.05) / 0.05 > 1.5
